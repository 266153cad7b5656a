"""Joins of structures with tables about them, by id: checked, so that no structure gets another one's values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from adit.elements import reduced_formula
from adit.errors import ConfigError
from adit.progress import log
from adit.systems import AtomicSystem, Failure

_NAMED: Final = 3
"""Ids that an error names."""


@dataclass(frozen=True)
class Identity:
    """What is known of a structure beside its id.

    Attributes:
        n_atoms: number of atoms, or ``None``.
        formula: reduced formula as ``reduced_formula`` spells it, or ``None``.
    """

    n_atoms: int | None = None
    formula: str | None = None

    def differs(self, other: Identity) -> bool:
        """Return whether the two cannot be of one structure."""
        return any(
            mine is not None and theirs is not None and mine != theirs
            for mine, theirs in ((self.n_atoms, other.n_atoms), (self.formula, other.formula))
        )

    def __str__(self) -> str:
        atoms = "" if self.n_atoms is None else f" with {self.n_atoms} atoms"
        return f"{self.formula or 'a structure'}{atoms}"


def identity_of(row: AtomicSystem | Failure | None) -> Identity:
    """Return the identity of a system; of a failure nothing is known."""
    if not isinstance(row, AtomicSystem):
        return Identity()
    return Identity(len(row), reduced_formula(row.numbers))


def identity_of_record(record: Mapping[str, Any]) -> Identity:
    """Return the identity that a row of a table gives: its columns ``n_atoms`` and ``formula``."""
    from adit.readers.formulas import reduced_from_text

    count = record.get("n_atoms")
    usable = isinstance(count, (int, float)) and count == count and count > 0
    formula = record.get("formula")
    return Identity(int(count) if usable else None, reduced_from_text(formula) if isinstance(formula, str) else None)  # type: ignore[arg-type]


def join_ids(structures: Mapping[str, Identity], table: Mapping[str, Identity], name: str) -> dict[str, str]:
    """Return the structure's id for each id of a table that meets one.

    Ids meet where they are equal. Of those left over, the last parts of their paths meet where they are unique on both
    sides.

    Args:
        structures: by id.
        table: by id.
        name: of the table, for messages.

    Raises:
        ConfigError: no id meets, or one that does is of another structure; the first three are named.
    """
    met = {each: each for each in table if each in structures}
    by_stem = _by_stem(table.keys() - met.keys(), structures.keys() - met.keys())
    if by_stem:
        log.info("%s: %d ids meet by the last part of their path alone (e.g. %s)", name, len(by_stem), _first(by_stem))
    met |= by_stem
    if table and structures and not met:
        raise ConfigError(
            f"{name}: none of its {len(table)} ids is a sample's: {_some(table)} there, {_some(structures)} here; "
            "give the samples that it was made of"
        )
    other = [
        f"{theirs}: {table[theirs]} there, {structures[ours]} here"
        for theirs, ours in met.items()
        if table[theirs].differs(structures[ours])
    ]
    if other:
        raise ConfigError(
            f"{name}: {len(other)} of {len(met)} ids are of other structures than here ({'; '.join(other[:_NAMED])}); "
            "give the samples that it was made of"
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
        ConfigError: one does; the first three are named.
    """
    repeated = [str(each) for each, count in Counter(ids).items() if count > 1]
    if repeated:
        raise ConfigError(
            f"{name}: {len(repeated)} ids stand in several rows ({', '.join(repeated[:_NAMED])}); give each row its own"
        )
