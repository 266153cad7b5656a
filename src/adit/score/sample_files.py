"""Anyone's samples as rows by kind: parsed in worker processes, so that a file that breaks a reader costs one row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from adit import convert
from adit.errors import DataError
from adit.isolate import map_isolated
from adit.progress import Progress, log
from adit.score.common.inputs import Reference, Row, read_reference
from adit.score.matching.fingerprints import STARTUP_S
from adit.score.sample_tables import Entry, as_row, plain_array
from adit.score.sample_texts import entries
from adit.systems import AtomicSystem, Failure, Kind

MOF_ATOMS: Final = 30
"""Periodic systems with carbon, hydrogen, a metal and at least so many atoms count as MOFs where no kind is given."""

_NONMETAL_NUMBERS: Final = (1, 2, *range(5, 11), *range(14, 19), *range(32, 37), *range(51, 55), 85, 86)


def parse(entry: Entry) -> AtomicSystem:
    """Return the system of an entry; periodic ones are crystals until something else is known.

    Raises:
        DataError: the entry is no system, with the reason.
    """
    name, content = entry.name, entry.content
    if entry.format == "cif":
        if not content.strip():
            raise DataError(f"{name}: CIF is empty")
        return convert.from_cif(content, name)
    if entry.format == "poscar":
        return convert.read_poscar(content, name)
    if entry.format == "mol":
        return convert.from_mol_block(content, name)
    if entry.format == "xyz":
        return convert.from_extxyz_frame(content, name)
    numbers, positions, cell = (plain_array(part) for part in content)
    if numbers is None or positions is None or positions.size != 3 * numbers.size:
        raise DataError(f"{name}: positions do not fit the numbers")
    box = None if cell is None or not cell.size else cell.reshape(3, 3)
    kind = Kind.MOLECULE if box is None else Kind.CRYSTAL
    return AtomicSystem(name, kind, numbers.astype(np.int64), positions.reshape(-1, 3), box)


def read_samples(
    paths: Sequence[Path],
    kind: Kind | None,
    *,
    workers: int,
    wall_limit_s: float,
    function: Callable[[Entry], AtomicSystem] = parse,
) -> dict[Kind, list[Row]]:
    """Return what files hold, one row a sample, by kind.

    Args:
        paths: files, folders and zip archives.
        kind: of all of them; ``None``: what has a cell is a crystal, or a MOF where most look like one, the rest are
            molecules. What cannot be read goes with the most frequent kind.
        workers: processes at most.
        wall_limit_s: wall time of reading one entry, s.
        function: parses an entry.

    Raises:
        DataError: a path does not exist, is of no known format, or holds no sample.
    """
    found = entries(paths)
    todo = [number for number, entry in enumerate(found) if entry.format != "row"]
    progress = Progress("samples read", len(todo))
    outcomes = map_isolated(
        function,
        [found[number] for number in todo],
        workers=workers,
        wall_limit_s=wall_limit_s,
        startup_s=STARTUP_S,
        warm_up=load_readers,
        on_result=lambda _, __: progress.update(),
    )
    rows: list[Row] = [as_row(e.content) if e.format == "row" else Failure(e.name, "read", "") for e in found]
    rows = [
        row if row.system_id == e.name else replace(row, system_id=e.name) for row, e in zip(rows, found, strict=True)
    ]
    for number, outcome in zip(todo, outcomes, strict=True):
        name = found[number].name
        told = outcome.reason.removeprefix("DataError: ").removeprefix(f"{name}: ")
        rows[number] = outcome.value if outcome.status == "ok" else Failure(name, "read", told)
    broken = sum(isinstance(row, Failure) for row in rows)
    log.info("%d samples read, %d of them are no system: each is a row with its reason", len(rows), broken)
    return by_kind(rows, kind)


def load_readers() -> None:
    """Load what a worker needs, outside the limit of its first entry."""
    convert.to_cif(AtomicSystem("po", Kind.CRYSTAL, np.array([84]), np.zeros((1, 3)), np.eye(3) * 3.35))


def by_kind(rows: Sequence[Row], kind: Kind | None) -> dict[Kind, list[Row]]:
    """Return rows by kind; a row that cannot be of the kind given is a failure."""
    if kind is not None:
        return {kind: [_as(row, kind) for row in rows]}
    systems = [row for row in rows if isinstance(row, AtomicSystem)]
    periodic = [row for row in systems if row.cell is not None]
    mofs = sum(row.kind is Kind.MOF or looks_like_mof(row) for row in periodic)
    solid = Kind.MOF if 2 * mofs > len(periodic) else Kind.CRYSTAL
    kinds = [_kind_of(row, solid) for row in rows]
    known = [each for each in kinds if each is not None]
    most = max(dict.fromkeys(known), key=known.count) if known else Kind.CRYSTAL
    found: dict[Kind, list[Row]] = {}
    for row, each in zip(rows, kinds, strict=True):
        found.setdefault(each or most, []).append(_as(row, each or most))
    return {each: found[each] for each in Kind if each in found}


def looks_like_mof(system: AtomicSystem) -> bool:
    """Return whether a periodic system has carbon, hydrogen, a metal and many atoms."""
    held = set(system.numbers.tolist())
    return len(system) >= MOF_ATOMS and {1, 6} <= held and bool(held - set(_NONMETAL_NUMBERS))


def _kind_of(row: Row, solid: Kind) -> Kind | None:
    if isinstance(row, Failure):
        return row.kind
    return Kind.MOLECULE if row.cell is None else solid


def _as(row: Row, kind: Kind) -> Row:
    if row.kind is kind:
        return row
    if isinstance(row, Failure):
        return replace(row, kind=kind)
    if kind.periodic and row.cell is None:
        return Failure(row.system_id, "read", f"has no cell, or is not periodic: it is no {kind}", kind)
    return replace(row, kind=kind, cell=row.cell if kind.periodic else None)


def read_any_references(
    paths: Sequence[Path], kinds: Sequence[Kind], *, workers: int, wall_limit_s: float
) -> dict[Kind, Reference]:
    """Return the systems of some kinds in anyone's files; where no split is named, all count as the training split.

    A kind that the files do not hold has an empty reference, and the log says so.

    Raises:
        DataError: a path does not exist, is of no known format, or the files hold none of the kinds.
    """
    own = [path for path in paths if path.suffix == ".arrow"]
    others = [path for path in paths if path.suffix != ".arrow"]
    rows = read_samples(others, None, workers=workers, wall_limit_s=wall_limit_s) if others else {}
    found = {kind: _reference(read_reference(own, kind), rows.get(kind, ()), kind) for kind in kinds}
    missing = [kind for kind in kinds if not found[kind].systems]
    where = ", ".join(map(str, paths))
    if len(missing) == len(kinds):
        held = " or ".join(kinds)
        raise DataError(f"{where}: holds no {held} to compare with; give another --reference")
    for kind in missing:
        log.warning(
            "%s: holds no %s: novelty, distances and control rows of the %ss are not measured", where, kind, kind
        )
    return found


def _reference(known: Reference, rows: Sequence[Row], kind: Kind) -> Reference:
    more = [row for row in rows if isinstance(row, AtomicSystem)]
    systems, splits = [*known.systems, *more], [*known.splits, *[None] * len(more)]
    if systems and "train" not in splits:
        log.info("the reference names no training split: all %d %ss of it count as one", len(systems), kind)
        return Reference(systems, ["train"] * len(systems))
    return Reference(systems, splits)
