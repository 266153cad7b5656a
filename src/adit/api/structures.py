"""Structures with their properties, from and to files, pymatgen, ASE and RDKit."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from adit import convert, store
from adit.columns import Col
from adit.errors import ConfigError
from adit.systems import AtomicSystem, Failure, Kind

if TYPE_CHECKING:
    import pandas as pd
    from ase import Atoms
    from pymatgen.core import Molecule, Structure
    from rdkit.Chem import Mol

    from adit.api.view import View

Row = AtomicSystem | Failure
"""A structure, or the reason why there is none."""


@dataclass(frozen=True, eq=False)
class Structures(Sequence[Row]):
    """One row per structure, failures included, in a fixed order.

    Attributes:
        rows: structures and failures.
        table: one row per structure with its properties, in the same order; the first column is ``system_id``.
    """

    rows: tuple[Row, ...]
    table: pd.DataFrame

    @classmethod
    def of(cls, rows: Iterable[Row], table: pd.DataFrame | None = None) -> Structures:
        """Return structures with a table, by default that of their ids and of the reasons of failures.

        Raises:
            ConfigError: two rows have the same id, or the table is of other structures.
        """
        rows = tuple(rows)
        ids = [row.system_id for row in rows]
        if len(set(ids)) < len(ids):
            raise ConfigError(f"id '{next(each for each in ids if ids.count(each) > 1)}' occurs twice; rename one")
        table = _plain_table(rows) if table is None else table.reset_index(drop=True)
        if list(table[Col.SYSTEM_ID]) != ids:
            raise ConfigError("the table is of other structures than the rows")
        return cls(rows, table)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Structures: ...
    def __getitem__(self, index: int | slice) -> Row | Structures:
        """Return a row, or the structures of a slice."""
        if isinstance(index, slice):
            return Structures(self.rows[index], self.table.iloc[index].reset_index(drop=True))
        return self.rows[index]

    def __len__(self) -> int:
        """Return the number of rows, failures included."""
        return len(self.rows)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Return the rows without a structure."""
        return tuple(row for row in self.rows if isinstance(row, Failure))

    def named(self, ids: Iterable[str]) -> Structures:
        """Return the structures with the given ids, in this order.

        Raises:
            ConfigError: there is no such id.
        """
        places = {row.system_id: place for place, row in enumerate(self.rows)}
        wanted = list(ids)
        missing = [each for each in wanted if each not in places]
        if missing:
            raise ConfigError(f"no structure has the id '{missing[0]}'")
        order = [places[each] for each in wanted]
        return Structures(tuple(self.rows[place] for place in order), self.table.iloc[order].reset_index(drop=True))

    def to_pymatgen(self) -> list[Structure | Molecule | None]:
        """Return a pymatgen ``Structure`` or ``Molecule`` per row (Å); ``None`` for failures."""
        return [None if isinstance(row, Failure) else _to_pymatgen(row) for row in self.rows]

    def to_ase(self) -> list[Atoms | None]:
        """Return ASE ``Atoms`` per row (Å); ``None`` for failures."""
        return [None if isinstance(row, Failure) else convert.to_atoms(row) for row in self.rows]

    def to_rdkit(self) -> list[Mol | None]:
        """Return an RDKit ``Mol`` with perceived bonds per row; ``None`` for failures and for periodic structures."""
        molecules = (row if isinstance(row, AtomicSystem) and row.cell is None else None for row in self.rows)
        return [None if row is None else convert.perceive(row).mol for row in molecules]

    def view(self, most: int = 4) -> View:
        """Return a 3D view for a notebook.

        Args:
            most: largest number of structures that are shown, the first ones; failures are left out.
        """
        from adit.api.view import View

        return View([row for row in self.rows if isinstance(row, AtomicSystem)][:most])

    def write(self, path: str | Path) -> None:
        """Write the structures to a new file, ``.arrow`` (with failures) or ``.extxyz``.

        Raises:
            ConfigError: the file exists, or has another suffix.
        """
        path = Path(path)
        if path.exists():
            raise ConfigError(f"{path}: exists and is kept; name another file")
        if path.suffix == ".arrow":
            store.write_systems(path, self.rows)
        elif path.suffix == ".extxyz":
            store.write_extxyz(path, [row for row in self.rows if isinstance(row, AtomicSystem)])
        else:
            raise ConfigError(f"{path}: name a file that ends with .arrow or .extxyz")


Given = Structures | str | os.PathLike[str] | Iterable[Any]
"""Structures, a path, or paths, systems and objects of pymatgen, ASE and RDKit."""


def read(given: Given, *, workers: int = 1) -> Structures:
    """Return structures from files of any supported format, or from objects of other packages.

    Args:
        given: ``Structures``, a path of a file, folder or archive, or an iterable of paths, of ``AtomicSystem``, or of
            objects of pymatgen (``Structure``, ``Molecule``), ASE (``Atoms``) and RDKit (``Mol``). Objects get the ids
            ``0``, ``1``, …
        workers: largest number of processes that read files.

    Raises:
        DataError: a path does not exist, has an unknown format, or holds no structure; an object is no valid system.
        ConfigError: two structures have the same id; paths and objects are mixed.
    """
    if isinstance(given, Structures):
        return given
    if isinstance(given, str | os.PathLike):
        given = [given]
    objects = list(given)
    paths = [Path(each) for each in objects if isinstance(each, str | os.PathLike)]
    if len(paths) not in (0, len(objects)):
        raise ConfigError("paths and objects are mixed; read them separately")
    if not paths:
        return Structures.of(_from_object(each, str(number)) for number, each in enumerate(objects))
    from adit.readers import ReadSettings, need_structures, read_structures

    read_rows = read_structures(paths, ReadSettings(workers=workers))
    need_structures(read_rows)
    return Structures.of(each.kept() for each in read_rows)


def _from_object(given: Any, system_id: str) -> Row:
    if isinstance(given, AtomicSystem | Failure):
        return given
    module = type(given).__module__.partition(".")[0]
    if module == "pymatgen":
        periodic = hasattr(given, "lattice")
        return convert.from_structure(given, system_id) if periodic else convert.from_molecule(given, system_id)
    if module == "ase":
        kind = Kind.CRYSTAL if given.pbc.all() else Kind.MOLECULE
        if given.pbc.any() and kind is Kind.MOLECULE:
            raise ConfigError(f"structure {system_id}: is periodic in some directions only, which is not supported")
        return convert.from_atoms(given, system_id, kind)
    if module == "rdkit":
        return convert.from_rdkit(given, system_id)
    raise ConfigError(f"structure {system_id}: {type(given).__name__} is no structure that can be read")


def _to_pymatgen(row: AtomicSystem) -> Structure | Molecule:
    if row.cell is not None:
        return convert.to_structure(row)
    perceived = convert.perceive(row)
    return convert.to_molecule(row, perceived.charge, perceived.unpaired)


def _plain_table(rows: Sequence[Row]) -> pd.DataFrame:
    import pandas as pd

    from adit.elements import composition, hill

    records = [
        {
            Col.SYSTEM_ID: row.system_id,
            Col.FORMULA: "" if isinstance(row, Failure) else hill(composition(row.numbers)),
            Col.N_ATOMS: 0 if isinstance(row, Failure) else len(row),
            Col.REASON: row.reason if isinstance(row, Failure) else "",
        }
        for row in rows
    ]
    return pd.DataFrame(records, columns=[Col.SYSTEM_ID, Col.FORMULA, Col.N_ATOMS, Col.REASON])


@contextmanager
def stored(structures: Structures) -> Iterator[tuple[Path, Path]]:
    """Yield a file with the structures, and an empty folder beside it; both are removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="adit-") as scratch:
        file = Path(scratch, "structures.arrow")
        store.write_systems(file, structures.rows)
        yield file, Path(scratch, "out")
