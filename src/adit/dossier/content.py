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
        title: title of the section.
        facts: name, with its unit, and value.
        tables: tables of the section.
        pictures: SVG and caption of each picture.
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
        name: id of the candidate.
        steps: stage and structure, e.g. generated, relaxed, DFT; at least one.
        energy: energy of the last structure, eV/atom; ``None`` if there is none.
        energy_tag: method of the energy.
        record: scores and other columns.
        provenance: where the candidate comes from: file, or run, seed, weights and versions.
        references: nearest known systems: how each was found, and the system.
        absence: why there is no nearest known system, a sentence; empty if there is one.
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
        title: heading of the page.
        sections: sections of the page.
        files: texts of the files beside the page, by file name.
    """

    name: str
    title: str
    sections: Sequence[Section]
    files: Mapping[str, str]
