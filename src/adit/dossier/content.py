"""What a dossier consists of: sections with facts, tables and pictures; and the files beside its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adit.systems import AtomicSystem


@dataclass(frozen=True)
class SectionTable:
    """A table of a section.

    Attributes:
        heads: titles of the columns.
        rows: texts and numbers.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Section:
    """A section of a page.

    Attributes:
        title: its title.
        facts: name and value.
        tables: tables.
        pictures: SVG and caption.
        notes: sentences, e.g. sources, or why something is missing.
    """

    title: str
    facts: Sequence[tuple[str, Any]] = ()
    tables: Sequence[SectionTable] = ()
    pictures: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Subject:
    """A candidate.

    Attributes:
        name: its id.
        steps: stage and structure, e.g. generated, relaxed, DFT; at least one.
        energy: eV/atom of the last step, with its tag; ``None`` where there is none.
        energy_tag: method of the energy.
        record: scores and other columns.
        provenance: where it comes from.
        references: nearest known systems: how it was found, and the system.
        absence: why there is no nearest known system, a sentence; empty where there is one.
    """

    name: str
    steps: Sequence[tuple[str, AtomicSystem]]
    energy: float | None = None
    energy_tag: str = ""
    record: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    references: Sequence[tuple[str, AtomicSystem]] = ()
    absence: str = ""

    @property
    def last(self) -> AtomicSystem:
        """Return the structure after its last step."""
        return self.steps[-1][1]


@dataclass(frozen=True)
class Dossier:
    """A dossier, ready to be written.

    Attributes:
        name: id of the candidate.
        title: heading of its page.
        sections: of the page.
        files: text by name, beside the page.
    """

    name: str
    title: str
    sections: Sequence[Section]
    files: Mapping[str, str]
