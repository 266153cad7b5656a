"""The candidates of a run: every sample with a structure, its scores, its relaxed structure and where it comes from."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from adit import store
from adit.columns import Col, Metric, Protocol, bare_name, flag, potential_of
from adit.elements import reduced_formula
from adit.errors import DataError
from adit.score.common.content import content_key
from adit.systems import AtomicSystem, Kind

if TYPE_CHECKING:
    import pandas as pd

KINDS: Final = ("crystal", "molecule", "mof")
"""Kinds of candidates, in the order of pages."""

GIVEN: Final = "samples"
"""Name of the file of ``adit score``; those of a run are numbers."""

LINEAGE: Final = ("dit_sha256", "vae_sha256", "seed", "solver", "steps")
"""Metadata of the file of a sample about its origin (weights, settings); columns of the ledger."""

PLAIN: Final[dict[str, dict[str, str]]] = {
    "crystal": {
        "valid": str(Col.OVERALL_VALIDITY),
        "unique": flag(Metric.UNIQUENESS, Protocol.ADIT),
        "novel": flag(Metric.NOVELTY, Protocol.ADIT),
        "stable": flag(Metric.STABLE, Protocol.ADIT),
        "metastable": flag(Metric.METASTABLE, Protocol.ADIT),
        str(Metric.SUN): flag(Metric.SUN, Protocol.ADIT),
    },
    "molecule": {"valid": str(Col.VALIDITY)},
    "mof": {"valid": str(Col.MOFCHECKER_ALL)},
}
"""Short names of columns of the scores, by kind."""

CLAIMS: Final = ("stable", "metastable", str(Metric.SUN))
"""Short names that have no value if the hull is unknown, where stability is undecided."""


@dataclass(frozen=True)
class RunSample:
    """A sample of a run.

    Attributes:
        generated: the structure as sampled.
        relaxed: the structure after the last relaxation; ``None`` if there was none.
        record: its row of the scores and its origin: numbers, texts and truth values; missing values are left out.
    """

    generated: AtomicSystem
    relaxed: AtomicSystem | None
    record: Mapping[str, Any]

    @property
    def system(self) -> AtomicSystem:
        """Return the structure that is compared with others: relaxed, else as generated."""
        return self.relaxed or self.generated

    @property
    def content(self) -> str:
        """Return the key of the structure's exact content, independent of its id."""
        return content_key(self.system)

    @property
    def formula(self) -> str:
        """Return the reduced formula, elements in alphabetical order."""
        return reduced_formula(self.system.numbers)

    @property
    def name(self) -> str:
        """Return the canonical SMILES of a molecule, by which molecules are merged as in the scores; else empty."""
        return str(self.record.get(Col.SMILES) or "") if self.system.kind is Kind.MOLECULE else ""

    @property
    def energy(self) -> float | None:
        """Return the energy above the hull, eV/atom; ``None`` where there is none."""
        value = self.record.get(Col.E_ABOVE_HULL)
        return float(value) if isinstance(value, int | float) else None


def gather(run: Path) -> list[RunSample]:
    """Return the samples of a run that have a structure.

    Args:
        run: the folder of a run (``results/<run>``) or of ``adit score``.

    Raises:
        DataError: the folder does not exist or has no scores, or a file of it is broken.
    """
    if not run.is_dir():
        raise DataError(f"{run}: no such run; give the folder of a run, e.g. results/demo")
    tables = [(kind, path) for kind in KINDS if (path := run / f"scores/{kind}.parquet").is_file()]
    if not tables:
        raise DataError(f"{run}: has no scores/<kind>.parquet; run its stage `score` first")
    return [sample for kind, path in tables for sample in _of_kind(run, kind, store.read_frame(path))]


def best(samples: Sequence[RunSample], top: int | None) -> list[RunSample]:
    """Return the best samples of each kind: compounds first, then valid, novel ones and known hulls.

    Within these, the order is that of the energies above the hull.

    Args:
        samples: samples of a run.
        top: largest number of samples of each kind; ``None``: all.
    """
    return [
        one
        for kind in Kind
        for one in sorted((each for each in samples if each.generated.kind is kind), key=_rank)[:top]
    ]


def _rank(sample: RunSample) -> tuple[list[bool], float, str]:
    energy = math.inf if sample.energy is None else sample.energy
    good = [sample.record.get(name) for name in ("valid", "novel", str(Col.HULL_COVERS_CHEMISTRY))]
    compound = sample.generated.cell is None or len(set(sample.generated.numbers.tolist())) > 1
    return [not each for each in (compound, *good)], energy, sample.generated.system_id


def _of_kind(run: Path, kind: str, scores: pd.DataFrame) -> Iterator[RunSample]:
    relaxed = {system.system_id: system for system in _last(run, kind)}
    hull = _by_id(run / "hull/hull.parquet") if kind == "crystal" else {}
    rows = {str(row[Col.SYSTEM_ID]): row for row in scores.to_dict("records") if Col.SYSTEM_ID in row}
    shards = (run / "samples" / kind).glob("*.arrow")
    for path in sorted(path for path in shards if path.stem.isdigit() or path.stem == GIVEN):  # no file of others
        table = store.read_systems(path)
        lineage: dict[str, Any] = {name: table.metadata[name] for name in LINEAGE if name in table.metadata}
        for system in table.systems():
            row = rows.get(system.system_id, {})
            extra = hull.get(system.system_id, {})
            record = _record({**_plain(kind, {str(name): value for name, value in row.items()}), **lineage}, extra)
            yield RunSample(system, relaxed.get(system.system_id), record)


def _last(run: Path, kind: str) -> Iterator[AtomicSystem]:
    """Yield relaxed structures, those of DFT last so that they win."""
    folders = [run / "relaxed" / kind, *([run / "dft"] if kind == "crystal" else [])]
    for folder in folders:
        for path in sorted(folder.glob("[0-9]*.arrow")):
            yield from store.read_systems(path).systems()


def _by_id(path: Path) -> dict[str, dict[str, Any]]:
    if not path.is_file():
        return {}
    frame = store.read_frame(path)
    names = [str(name) for name in (Col.ENERGY_TAG, Col.HULL_TAG, Col.SURROGATE) if name in frame]
    return {str(row[Col.SYSTEM_ID]): {name: row[name] for name in names} for row in frame.to_dict("records")}


def _plain(kind: str, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with energies and flags under their short names; a potential's energies say so in ``surrogate``.

    Flags of the protocols keep their values where the hull is unknown; their short names have none.
    """
    short = {name: row[source] for name, source in PLAIN[kind].items() if source in row}
    energies = {bare_name(name): value for name, value in row.items() if potential_of(name)}
    flags = {name: energies[source] for name, source in PLAIN[kind].items() if source in energies}
    surrogate = {str(Col.SURROGATE): True} if energies else {}
    result = {**energies, **row, **short, **flags, **surrogate}
    covers = row.get(str(Col.HULL_COVERS_CHEMISTRY), True)
    return result if covers is None or covers else {**result, **dict.fromkeys(CLAIMS)}


def _record(row: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: _value(value) for name, value in {**row, **extra}.items()}
    return {name: value for name, value in values.items() if value is not None}


def _value(value: Any) -> bool | int | float | str | None:
    """Return a value of a table as SQLite and JSON hold it; ``None`` where it is missing or not finite."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool | int | str):
        return value if value != "" else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return None if value is None or not isinstance(value, list | dict) else json.dumps(value)
