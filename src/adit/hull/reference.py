"""``adit reference``: the energies that the convex hull is built from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from adit import store
from adit.config import ReferenceStage
from adit.elements import composition
from adit.errors import DataError
from adit.hull import materials_project
from adit.hull.reference_rows import COLUMNS, reference_row
from adit.progress import log
from adit.relax.potentials import batch, chgnet
from adit.relax.potentials.gpu import resolve_device
from adit.relax.prerelax import limits_of
from adit.systems import AtomicSystem

if TYPE_CHECKING:
    import pandas as pd

BUILTIN = "builtin-crystals"
MAX_STEPS = 60
"""Steps of a reference crystal at most: nineteen of twenty need fewer than 40; the rest took a quarter of the time."""

Find = Callable[[str], Path]
"""Gives the local path of a public file by its name in a mirror, fetched and checked first where it must be."""


def reference(
    stage: ReferenceStage, data: list[Path], out: Path, cache: Path | None, workers: int, find: Find | None = None
) -> None:
    """Write the reference entries of the hull: one row each, with absolute energies in eV/atom on one scale.

    ``builtin``: every crystal of the built-in set, relaxed with CHGNet under the settings of the pre-relaxation, so
    that samples and references are on the same footing, but in ``MAX_STEPS`` steps at most: one that is not converged
    then keeps its energy, which is an upper bound, and says so; hull_tag is CHGNet's. ``mp20-formation-energies``: the
    Materials Project's formation energies of MP20, put on the absolute scale with its elemental references.
    ``mp-2023-02-07``: the whole Materials Project, from the published phase diagram. ``entries``: computed entries in a
    file of the user's own (``hull.entries``), corrected with MP2020 here.

    Args:
        stage: settings.
        data: prepared datasets; only the file ``builtin-crystals.arrow`` is used, all splits, and only for ``builtin``.
        out: the table, ``COLUMNS``.
        cache: folder for finished entries, from which a killed run goes on.
        workers: processes at most.
        find: gives public files; without it only ``builtin`` and ``entries`` are possible.

    Raises:
        DataError: the built-in set or a file is missing, or is not what it should be.
    """
    frame = _frame(stage, data, cache, workers, find)
    good = frame[frame["status"].isin(["converged", "unconverged"])]
    if good.empty:
        raise DataError(f"{out}: no reference entry has an energy; look at the reasons in the stage's log")
    store.write_frame(out, frame, {"reference": stage.hull.reference, "hull_tag": str(frame["hull_tag"].iloc[0])})
    log.info("%d entries, %d of them elements", len(good), int(good["is_element"].sum()))


def _frame(
    stage: ReferenceStage, data: list[Path], cache: Path | None, workers: int, find: Find | None
) -> pd.DataFrame:
    import pandas as pd

    kind = stage.hull.reference
    if kind == "builtin":
        return _builtin(stage, data, workers, cache)
    if kind == "entries":
        rows = materials_project.own_entries(Path(stage.hull.entries or ""))
    elif find is None:
        raise DataError(f"hull.reference {kind} needs public files; run `adit reference`, or set {_WAY_OUT}")
    else:
        try:
            rows = materials_project.READERS[kind](find)
        except DataError as error:
            raise DataError(f"{error}; or set {_WAY_OUT}") from error
    return pd.DataFrame(rows, columns=list(COLUMNS))


_WAY_OUT = "hull.reference: builtin"


def _builtin(stage: ReferenceStage, data: list[Path], workers: int, cache: Path | None) -> pd.DataFrame:
    import pandas as pd

    paths = [path for path in data if path.stem == BUILTIN]
    if not paths:
        raise DataError(
            f"hull.reference builtin needs the dataset {BUILTIN}: add it to data.datasets, "
            "or set hull.reference: mp20-formation-energies"
        )
    systems = [system for path in paths for system in store.read_systems(path).systems()]
    results = batch.relax_all(
        systems,
        dataclasses.replace(limits_of(stage.relax), max_steps=min(stage.relax.max_steps, MAX_STEPS)),
        wall_limit_s=stage.relax.wall_limit_s,
        workers=workers,
        cache=cache,
        what="reference crystals",
        device=resolve_device(stage.relax.device),
        batch_atoms=stage.relax.batch_atoms,
    )
    rows = []
    for system, result in zip(systems, results, strict=True):
        if result.system is None:
            log.warning("%s: %s: %s", system.system_id, result.status, result.reason)
        rows.append(
            reference_row(
                system.system_id,
                _formula(system),
                composition(system.numbers),
                result.energy_per_atom,
                chgnet.ENERGY_TAG,
                status=result.status,
                reason=result.reason,
            )
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _formula(system: AtomicSystem) -> str:
    from pymatgen.core import Composition

    return str(Composition(composition(system.numbers)).reduced_formula)
