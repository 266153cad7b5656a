"""Energies of the built-in reference crystals, shipped with the package, so that they need not be relaxed again.

One file for all potentials, ``references.parquet`` beside this module, written by ``adit ship-references``. A row
is valid for one potential (version and hash of its weights) and for one crystal (its geometry before relaxation).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adit import convert, store
from adit.columns import Col
from adit.errors import DataError
from adit.hull.reference_rows import COLUMNS
from adit.progress import log
from adit.systems import AtomicSystem

if TYPE_CHECKING:
    import pandas as pd

    from adit.relax.potentials.identity import Identity

TABLE = Path(__file__).with_name("references.parquet")
"""The table that ships with the package."""

TOLERANCE = 1e-3
"""Largest difference between a shipped energy and the one that another machine computes, eV/atom: rounding can end a
relaxation one step earlier or later."""

KEY = ("potential", "version", "weights_sha256")
"""Columns that identify a potential."""

GEOMETRY = (Col.VOLUME_PER_ATOM, "shortest_distance")
"""Columns of volume (Å³ per atom) and shortest distance (Å) before relaxation; other values mean another crystal."""

GEOMETRY_TOLERANCE = 1e-3
"""Relative tolerance of the geometry, for rounding on other machines."""

_COLUMNS = (*KEY, "set", *COLUMNS, Col.FMAX, *GEOMETRY)

SEARCH = 4.0
"""Search radius of the shortest distance, Å."""


def geometry(system: AtomicSystem) -> dict[str, float]:
    """Return the volume (Å³ per atom) and the shortest distance (Å, periodic; at most ``SEARCH``)."""
    from ase.neighborlist import neighbor_list

    distances = neighbor_list("d", convert.to_atoms(system), SEARCH)
    return dict(zip(GEOMETRY, (system.volume / len(system), float(min([*distances, SEARCH]))), strict=True))


@dataclass(frozen=True)
class Shipped:
    """The rows of one potential.

    Attributes:
        frame: the columns of a reference entry (``COLUMNS``), ``fmax`` (limit of the largest force, eV/Å) and the
            geometry.
    """

    frame: pd.DataFrame

    @cached_property
    def _by_id(self) -> dict[str, Mapping[str, Any]]:
        return {str(row[Col.ENTRY_ID]): row for row in self.frame.to_dict("records")}

    def row(self, system: AtomicSystem, fmax: float) -> dict[str, Any] | None:
        """Return the reference row of a crystal, or ``None`` if there is none relaxed to ``fmax``.

        Args:
            system: the crystal before relaxation.
            fmax: largest force, eV/Å; rows relaxed to larger forces are not used.
        """
        row = self._by_id.get(system.system_id)
        if row is None or row[Col.FMAX] > fmax or row[Col.N_ATOMS] != len(system):
            return None
        now = geometry(system)
        if not all(np.isclose(row[name], now[name], rtol=GEOMETRY_TOLERANCE) for name in GEOMETRY):
            return None
        return {name: row[name] for name in COLUMNS}


def read_shipped(identity: Identity, path: Path = TABLE) -> Shipped:
    """Return the rows of exactly this potential; none if the file is missing or has none.

    Raises:
        DataError: the file is not a table of reference energies.
    """
    import pandas as pd

    frame = store.read_frame(path) if path.is_file() else pd.DataFrame(columns=list(_COLUMNS))
    _check(frame, path)
    rows = frame[_of(frame, identity)].reset_index(drop=True)
    others = frame[frame["potential"] == identity.potential]
    if rows.empty and len(others):
        log.info(
            "%s: holds energies of %s %s and not of %s; they are not used",
            path.name, identity.potential, ", ".join(sorted(set(others["version"]))), identity.version,
        )  # fmt: skip
    return Shipped(rows)


def _check(frame: pd.DataFrame, path: Path) -> None:
    missing = [name for name in _COLUMNS if name not in frame]
    if missing:
        raise DataError(f"{path}: has no column {missing[0]}; it is not a table of reference energies: name another")


def _of(frame: pd.DataFrame, identity: Identity) -> Any:
    return np.logical_and.reduce([frame[name] == value for name, value in asdict(identity).items()])


def write_shipped(
    identity: Identity, name: str, systems: Sequence[AtomicSystem], frame: pd.DataFrame, fmax: float, path: Path = TABLE
) -> None:
    """Write the entries of a set of crystals; they replace those of the same set and potential in the file.

    Args:
        identity: the potential that computed the energies.
        name: name of the set.
        systems: the crystals before relaxation.
        frame: their reference rows, in the same order.
        fmax: limit of the largest force in the relaxation, eV/Å.
        path: the file.

    Raises:
        DataError: the existing file is not a table of reference energies.
    """
    import pandas as pd

    shapes = pd.DataFrame([geometry(system) for system in systems], columns=list(GEOMETRY)).round(5)
    columns = [frame[list(COLUMNS)].reset_index(drop=True), shapes]
    new = pd.concat(columns, axis=1).assign(**asdict(identity), set=name, fmax=fmax)[list(_COLUMNS)]
    _put(identity, name, new, path)


def add_set(identity: Identity, name: str, rows: Sequence[Mapping[str, Any]], fmax: float, path: Path) -> None:
    """Write reference rows without a geometry; they replace those of the same set and potential in the file.

    Args:
        identity: the potential that computed the energies.
        name: name of the set.
        rows: reference rows.
        fmax: limit of the largest force in the relaxation, eV/Å.
        path: the file.

    Raises:
        DataError: the existing file is not a table of reference energies.
    """
    import pandas as pd

    new = pd.DataFrame(list(rows), columns=list(COLUMNS)).assign(**asdict(identity), set=name, fmax=fmax)
    _put(identity, name, new.assign(**dict.fromkeys(GEOMETRY, np.nan))[list(_COLUMNS)], path)


def _put(identity: Identity, name: str, new: pd.DataFrame, path: Path) -> None:
    import pandas as pd

    if path.is_file():
        old = store.read_frame(path)
        _check(old, path)
        kept = old[~(_of(old, identity) & (old["set"] == name))]
        new = pd.concat([kept, new], ignore_index=True) if len(kept) else new
    store.write_frame(path, new.sort_values([*KEY, "set", Col.ENTRY_ID], ignore_index=True))


def merge(source: Path, target: Path) -> None:
    """Replace sets of a table by the same sets of the same potentials in another table; its other sets are kept.

    Args:
        source: table that is read.
        target: table that is written; created if it is missing.

    Raises:
        DataError: a file is not a table of reference energies, or ``source`` is missing.
    """
    import pandas as pd

    new = store.read_frame(source)
    _check(new, source)
    if target.is_file():
        old = store.read_frame(target)
        _check(old, target)
        names = [*KEY, "set"]
        replaced = pd.MultiIndex.from_frame(old[names]).isin(pd.MultiIndex.from_frame(new[names]))
        new = pd.concat([old[~replaced], new], ignore_index=True) if not replaced.all() else new
    store.write_frame(target, new.sort_values([*KEY, "set", Col.ENTRY_ID], ignore_index=True))
