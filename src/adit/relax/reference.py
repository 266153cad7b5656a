"""``adit reference``: the energies that the convex hull is built from."""

from __future__ import annotations

import dataclasses
import json
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from adit import store
from adit.config import ReferenceStage
from adit.elements import composition
from adit.errors import DataError
from adit.progress import log
from adit.relax import batch, chgnet
from adit.relax.gpu import resolve_device
from adit.relax.prerelax import limits_of
from adit.systems import AtomicSystem

if TYPE_CHECKING:
    import pandas as pd

MP_TAG = "vasp/PBE(+U)/MP2020"
BUILTIN = "builtin-crystals"
MAX_STEPS = 60
"""Steps of a reference crystal at most: nineteen of twenty need fewer than 40; the rest took a quarter of the time."""

COLUMNS = (
    "entry_id",
    "formula",
    "composition",
    "n_atoms",
    "energy_per_atom",
    "is_element",
    "status",
    "reason",
    "hull_tag",
)
FORMATION_ENERGIES = "hull/mp20_formation_energies.parquet"
ELEMENTS = "hull/mp_elemental_reference_entries.json"


def reference(stage: ReferenceStage, data: list[Path], out: Path, cache: Path | None, workers: int) -> None:
    """Write the reference entries of the hull: one row each, with absolute energies in eV/atom on one scale.

    ``builtin``: every crystal of the built-in set, relaxed with CHGNet under the settings of the pre-relaxation, so
    that samples and references are on the same footing, but in ``MAX_STEPS`` steps at most: one that is not converged
    then keeps its energy, which is an upper bound, and says so; hull_tag is CHGNet's. ``mp20-formation-energies``: the
    Materials Project's formation energies of MP20, put on the absolute scale with its elemental references.

    Args:
        stage: settings.
        data: prepared datasets; only the file ``builtin-crystals.arrow`` is used, all splits, and only for ``builtin``.
        out: the table, ``COLUMNS``.
        cache: folder for finished entries, from which a killed run goes on.
        workers: processes at most.

    Raises:
        DataError: the built-in set or the mirror's files are missing.
    """
    frame = _builtin(stage, data, workers, cache) if stage.hull.reference == "builtin" else _mp20(stage)
    good = frame[frame["status"].isin(["converged", "unconverged"])]
    if good.empty:
        raise DataError(f"{out}: no reference entry has an energy; look at the reasons in the stage's log")
    store.write_frame(out, frame, {"reference": stage.hull.reference, "hull_tag": str(frame["hull_tag"].iloc[0])})
    log.info("%d entries, %d of them elements", len(good), int(good["is_element"].sum()))


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
            _row(
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


def _row(
    entry_id: str,
    formula: str,
    amounts: Mapping[str, float],
    energy_per_atom: float,
    tag: str,
    *,
    status: str = "converged",
    reason: str = "",
) -> dict[str, object]:
    return {
        "entry_id": entry_id,
        "formula": formula,
        "composition": json.dumps(dict(amounts), sort_keys=True),
        "n_atoms": round(sum(amounts.values())),
        "energy_per_atom": energy_per_atom,
        "is_element": len(amounts) == 1,
        "status": status,
        "reason": reason,
        "hull_tag": tag,
    }


# --- the Materials Project's energies ---------------------------------------------------------------------------------


def _mp20(stage: ReferenceStage) -> pd.DataFrame:
    import pandas as pd
    from pymatgen.core import Composition

    elements = elemental_energies(_fetch(stage.mirror, ELEMENTS))
    rows = [_row(f"element-{name}", name, {name: 1}, energy, MP_TAG) for name, energy in sorted(elements.items())]
    formation = store.read_frame(_fetch(stage.mirror, FORMATION_ENERGIES))
    for entry_id, formula, energy in zip(
        formation["material_id"], formation["pretty_formula"], formation["formation_energy_per_atom"], strict=True
    ):
        parsed = Composition(formula)
        amounts = {element.symbol: float(amount) for element, amount in parsed.items()}
        unknown = [name for name in amounts if name not in elements]
        absolute = float("nan")
        if not unknown:
            absolute = float(energy) + sum(x * elements[name] for name, x in amounts.items()) / sum(amounts.values())
        status, reason = (
            ("failed", f"no elemental reference for {', '.join(unknown)}") if unknown else ("converged", "")
        )
        rows.append(_row(entry_id, formula, amounts, absolute, MP_TAG, status=status, reason=reason))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def elemental_energies(path: Path) -> dict[str, float]:
    """Return the energy (eV/atom, corrected) of each element's reference from a file of pymatgen entries."""
    entries = store.read_json(path)
    try:
        return {
            name: (entry["energy"] + entry["correction"]) / sum(entry["composition"].values())
            for name, entry in entries.items()
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: is no file of elemental reference entries ({error!r})") from error


def _fetch(mirror: str | None, name: str) -> Path:
    """Return the path of a file of the mirror, fetched first where the mirror is a URL."""
    if mirror is None:
        raise DataError(f"hull.reference mp20-formation-energies needs {name}; set mirror, or hull.reference: builtin")
    if not mirror.startswith(("http://", "https://")):
        path = Path(mirror) / name
        if not path.is_file():
            raise DataError(f"{path}: no such file; check mirror, or set hull.reference: builtin")
        return path
    import tempfile

    path = Path(tempfile.mkdtemp(prefix="adit-mirror-")) / Path(name).name
    url = f"{mirror.rstrip('/')}/{name}"
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            path.write_bytes(answer.read())
    except OSError as error:
        raise DataError(f"{url}: not reachable ({error}); check mirror, or set hull.reference: builtin") from error
    return path
