"""What every round kept: decisions, variety of the kept structures, and the origin of each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adit import store
from adit.columns import Col
from adit.elements import composition, hill, reduced_formula
from adit.errors import DataError
from adit.rounds.keep import DECISION, RUN, SAMPLE, WEIGHTS
from adit.systems import AtomicSystem, Failure, Kind

if TYPE_CHECKING:
    import pandas as pd

_FILE: Final = re.compile(r"(crystal|molecule)-(\d+)\.arrow")


@dataclass(frozen=True)
class KeptRound:
    """What one round kept of one kind.

    Attributes:
        kind: crystal or molecule.
        number: number of the round.
        run: name of its run.
        systems: structures that this round kept, without those of earlier rounds.
        decisions: number of samples by decision, most frequent first.
    """

    kind: Kind
    number: int
    run: str
    systems: list[AtomicSystem]
    decisions: dict[str, int]

    @property
    def total(self) -> int:
        """Return the number of requested samples."""
        return sum(self.decisions.values())


def read_kept(paths: Sequence[Path]) -> list[KeptRound]:
    """Return what each round kept, by kind and number.

    Args:
        paths: ``kept/<kind>-<n>.arrow``; the table of decisions is beside each.

    Raises:
        DataError: a file has another name, is missing or broken, or a structure has no origin.
    """
    return sorted(map(_read, paths), key=lambda each: (each.kind, each.number))


def _read(path: Path) -> KeptRound:
    match = _FILE.fullmatch(path.name)
    if match is None:
        raise DataError(f"{path}: is not a file of kept structures: expected <kind>-<round>.arrow")
    kind, number = Kind(match[1]), int(match[2])
    table = store.read_systems(path)
    run = Path(str(table.metadata.get(RUN, ""))).name
    systems = [row for row in table if not isinstance(row, Failure)]
    if any(RUN not in system.info or SAMPLE not in system.info for system in systems):
        raise DataError(f"{path}: has a structure without its run and sample; it was not written by adit keep")
    decided = store.read_frame(path.with_suffix(".decisions.parquet"))
    if DECISION not in decided:
        raise DataError(f"{path.with_suffix('.decisions.parquet')}: has no column {DECISION}")
    counts = dict(Counter(map(str, decided[DECISION])).most_common())
    return KeptRound(kind, number, run, [system for system in systems if system.info[RUN] == run], counts)


def variety(systems: Sequence[AtomicSystem]) -> dict[str, int]:
    """Return the number of structures, of different formulas, of sets of elements and of elements."""
    formulas = {_formula(system) for system in systems}
    sets = {frozenset(composition(system.numbers)) for system in systems}
    return {
        "structures": len(systems),
        "formulas": len(formulas),
        "sets of elements": len(sets),
        "elements": len(frozenset().union(*sets)),
    }


def _formula(system: AtomicSystem) -> str:
    return hill(composition(system.numbers)) if system.kind is Kind.MOLECULE else reduced_formula(system.numbers)


def lineage(kept: Sequence[KeptRound]) -> pd.DataFrame:
    """Return one row per kept structure: round, sample, formula, hash of the weights that made it, energy or SMILES."""
    import pandas as pd

    rows = [_origin(each, system) for each in kept for system in each.systems]
    names = ["kind", "round", RUN, SAMPLE, Col.SYSTEM_ID, Col.FORMULA, WEIGHTS, Col.E_ABOVE_HULL, Col.SMILES]
    return pd.DataFrame(rows, columns=list(map(str, names)))


def _origin(each: KeptRound, system: AtomicSystem) -> dict[str, Any]:
    return {
        "kind": str(each.kind),
        "round": each.number,
        **{name: system.info.get(name) for name in (RUN, SAMPLE, WEIGHTS)},
        str(Col.SYSTEM_ID): system.system_id,
        str(Col.FORMULA): _formula(system),
        **{str(name): system.info.get(str(name)) for name in (Col.E_ABOVE_HULL, Col.SMILES)},
    }
