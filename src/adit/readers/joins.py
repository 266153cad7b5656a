"""Checked joins of structures with tables by id, so that no structure gets the values of another one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from adit.columns import Col
from adit.elements import reduced_formula
from adit.errors import ConfigError
from adit.progress import log
from adit.systems import AtomicSystem, Failure

_NAMED: Final = 3
"""Number of ids in a message."""


@dataclass(frozen=True)
class RowIdentity:
    """Properties of a structure by which a join is checked.

    Attributes:
        n_atoms: number of atoms, or ``None``.
        formula: reduced formula as ``adit.elements.reduced_formula`` writes it, or ``None``.
    """

    n_atoms: int | None = None
    formula: str | None = None

    def differs(self, other: RowIdentity) -> bool:
        """Return whether the two cannot belong to the same structure."""
        return any(
            mine is not None and theirs is not None and mine != theirs
            for mine, theirs in ((self.n_atoms, other.n_atoms), (self.formula, other.formula))
        )

    def __str__(self) -> str:
        atoms = "" if self.n_atoms is None else f" with {self.n_atoms} atoms"
        return f"{self.formula or 'a structure'}{atoms}"


def identity_of(row: AtomicSystem | Failure | None) -> RowIdentity:
    """Return the identity of a system; it is empty for a failure."""
    if not isinstance(row, AtomicSystem):
        return RowIdentity()
    return RowIdentity(len(row), reduced_formula(row.numbers))


def identity_of_record(record: Mapping[str, Any]) -> RowIdentity:
    """Return the identity of a row of a table, from its columns ``n_atoms`` and ``formula``."""
    from adit.readers.formulas import reduced_from_text

    formula = record.get(Col.FORMULA)
    reduced = reduced_from_text(formula) if isinstance(formula, str) else None
    return RowIdentity(_number_of_atoms(record.get(Col.N_ATOMS)), reduced)


def _number_of_atoms(value: Any) -> int | None:
    """Return a value as a number of atoms; ``None`` if it is none."""
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return int(value) if whole and value > 0 else None


def join_ids(structures: Mapping[str, RowIdentity], table: Mapping[str, RowIdentity], name: str) -> dict[str, str]:
    """Return table id → structure id for the ids that match.

    Equal ids match. Of the others, those whose last parts of the path are equal, and unique on both sides, match.

    Args:
        structures: identities of the structures by their ids.
        table: identities of the rows of the table by their ids.
        name: name of the table, for messages.

    Raises:
        ConfigError: no id matches, or an id belongs to another structure; the message names the first three.
    """
    met = {each: each for each in table if each in structures}
    by_stem = _by_stem(table.keys() - met.keys(), structures.keys() - met.keys())
    if by_stem:
        log.info("%s: %d ids match only by the last part of their path (e.g. %s)", name, len(by_stem), _first(by_stem))
    met |= by_stem
    if table and structures and not met:
        raise ConfigError(
            f"{name}: none of its {len(table)} ids is that of a sample (table: {_some(table)}; samples: "
            f"{_some(structures)}); give the samples that the table was computed from"
        )
    other = [
        f"{theirs}: {table[theirs]} in the table, {structures[ours]} in the sample"
        for theirs, ours in met.items()
        if table[theirs].differs(structures[ours])
    ]
    if other:
        raise ConfigError(
            f"{name}: {len(other)} of {len(met)} ids belong to other structures ({'; '.join(other[:_NAMED])}); "
            "give the samples that the table was computed from"
        )
    missing = len(structures) - len(met)
    if missing and table:
        log.warning("%s: has no row for %d of %d samples", name, missing, len(structures))
    return met


def _by_stem(theirs: Iterable[str], ours: Iterable[str]) -> dict[str, str]:
    left, right = sorted(theirs), sorted(ours)
    counts = Counter(map(_stem, left)), Counter(map(_stem, right))
    place = {_stem(each): each for each in right if counts[1][_stem(each)] == 1}
    return {each: place[_stem(each)] for each in left if counts[0][_stem(each)] == 1 and _stem(each) in place}


def _stem(system_id: str) -> str:
    return system_id.rpartition("/")[2]


def _first(pairs: Mapping[str, str]) -> str:
    theirs, ours = next(iter(pairs.items()))
    return f"{theirs} and {ours}"


def _some(ids: Iterable[str]) -> str:
    return ", ".join(list(ids)[:_NAMED])


def need_unique(ids: Iterable[Any], name: str) -> None:
    """Refuse a table in which an id occurs twice.

    Raises:
        ConfigError: an id occurs twice; the message names the first three.
    """
    repeated = [str(each) for each, count in Counter(ids).items() if count > 1]
    if repeated:
        raise ConfigError(
            f"{name}: {len(repeated)} ids occur in several rows ({', '.join(repeated[:_NAMED])}); give each row its own"
        )
