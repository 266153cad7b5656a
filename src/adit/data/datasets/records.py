"""Datasets: provenance and a list of records; each record makes its system when it is needed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from adit import convert
from adit.columns import Col
from adit.data.sources.registry import SPLITS as SPLITS
from adit.systems import AtomicSystem, Kind


@dataclass(frozen=True)
class Record:
    """One row of a dataset, not parsed yet.

    Attributes:
        system_id: id, normally unique within the dataset; a later row with the same id becomes a failure.
        split: ``train``, ``val`` or ``test``.
        make: parses the row; raises ``DataError`` if it is not a system.
    """

    system_id: str
    split: str
    make: Callable[[], AtomicSystem]


@dataclass(frozen=True)
class Dropped:
    """A published row that the dataset's own rule excludes.

    Attributes:
        system_id: its id.
        reason: one line of text.
    """

    system_id: str
    reason: str


@dataclass(frozen=True)
class Loaded:
    """The records of a dataset and the files they come from.

    Attributes:
        records: rows in the dataset's own order.
        files: SHA-256 of each file read, by its name in the dataset; empty for built-in sets.
        origin: where the files come from: ``package``, ``mirror``, ``upstream`` or ``your own``.
        verified: name of each file → how it was compared with the published one.
        dropped: published rows that are excluded before a limit is applied.
    """

    records: Sequence[Record]
    files: Mapping[str, str] = field(default_factory=dict)
    origin: str = "package"
    verified: Mapping[str, str] = field(default_factory=dict)
    dropped: Sequence[Dropped] = ()


@dataclass(frozen=True)
class Dataset:
    """A dataset that ``adit prepare`` knows.

    Attributes:
        kind: kind of its systems.
        source: origin of the data, one line.
        licence: licence of the data.
        citation: BibTeX entries to cite.
        load: takes the mirror (folder, URL or ``None``) and returns the records; raises ``DataError`` if a file is
            missing or broken.
    """

    kind: Kind
    source: str
    licence: str
    citation: str
    load: Callable[[str | None], Loaded]


def charge_info(smiles: str) -> dict[str, int]:
    """Return the total charge (e) of an ion by its SMILES, for ``info``; empty for a neutral molecule."""
    charge = convert.charge_of_smiles(smiles)
    return {str(Col.CHARGE): charge} if charge else {}


def hashed_split(identity: str) -> str:
    """Return the split of an id (80 % train, 10 % val, 10 % test); it depends on nothing but the id."""
    bucket = int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8], "big") % 10
    return "train" if bucket < 8 else SPLITS[bucket - 7]
