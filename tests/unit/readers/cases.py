"""Inputs of the kinds that public reports describe, small enough to be worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

CUBIC: Final = (90.0, 90.0, 90.0)

Site = tuple[str, str, str, str, str]
"""Label, symbol and three coordinates, as written."""


def cif(
    lengths: Sequence[float],
    angles: Sequence[float],
    symmetry: Sequence[str],
    sites: Sequence[Site],
    items: Sequence[str] = (),
) -> str:
    """Return a CIF block."""
    cell = [f"_cell_length_{name} {value}" for name, value in zip("abc", lengths, strict=True)]
    cell += [f"_cell_angle_{name} {value}" for name, value in zip(("alpha", "beta", "gamma"), angles, strict=True)]
    columns = ["label", "type_symbol", "fract_x", "fract_y", "fract_z"]
    rows = [" ".join(site) for site in sites]
    loop = ["loop_", *(f"_atom_site_{name}" for name in columns)]
    return "\n".join(["data_x", *cell, *symmetry, *items, *loop, *rows]) + "\n"


def name(symbol: str) -> list[str]:
    """Return the item of a Hermann-Mauguin symbol."""
    return [f"_symmetry_space_group_name_H-M '{symbol}'"]


HALL_ONLY: Final = cif(
    (5.64,) * 3,
    CUBIC,
    ["_symmetry_space_group_name_Hall '-F 4 2 3'"],
    [("Na1", "Na", "0", "0", "0"), ("Cl1", "Cl", "0.5", "0.5", "0.5")],
)
BISMUTH: Final = cif((4.746,) * 3, (57.24,) * 3, name("R -3 m :R"), [("Bi1", "Bi", *("0.2341",) * 3)])
SILICON: Final = cif((5.431,) * 3, CUBIC, name("F d -3 m :2"), [("Si1", "Si", *("0.125",) * 3)])
WURTZITE: Final = cif(
    (3.25, 3.25, 5.207),
    (90, 90, 120),
    name("P 63 m c"),
    [("Zn1", "Zn", "0.333", "0.667", "0"), ("O1", "O", "0.333", "0.667", "0.3819")],
    ["_chemical_formula_sum 'Zn O'", "_cell_formula_units_Z 2"],
)
BRUCITE: Final = cif(
    (3.142, 3.142, 4.766),
    (90, 90, 120),
    name("P -3 m 1"),
    [("Mg1", "Mg2+", "0", "0", "0"), ("O1", "O2-", "0.333333", "0.666667", "0.2203")],
    ["_chemical_formula_sum 'H2 Mg O2'", "_cell_formula_units_Z 1"],
)
HYDRIDE: Final = cif(
    (4.07,) * 3, CUBIC, name("F m -3 m"), [("Li1", "Li1+", "0", "0", "0"), ("H1", "H1-", "0.5", "0.5", "0.5")]
)
CLOSE_SITES: Final = cif(
    (4.2,) * 3,
    CUBIC,
    name("P 1"),
    [("Cs1", "Cs", "0", "0", "0"), ("Cl1", "Cl", "0.5", "0.5", "0.5"), ("Cl2", "Cl", "0.50005", "0.5", "0.5")],
)
UNKNOWN_SITES: Final = cif(
    (3.905,) * 3,
    CUBIC,
    name("P 1"),
    [("Sr1", "Sr", "0", "0", "0"), ("Ti1", "Ti", *("0.5",) * 3), *((f"O{n}", "O", "?", "?", "?") for n in (1, 2, 3))],
)

LATTICE: Final = "4.12 0.0 0.0 0.0 4.12 0.0 0.0 0.0 4.12"
WATER: Final = "3\nwater\nO 0 0 0.1173\n{h} 0 0.7572 -0.4692\n{h} 0 -0.7572 -0.4692\n"
METHANE_QM9: Final = (
    "5\n"
    "gdb 900001\t157.0\t157.1\t157.2\t0.\t13.2\t-0.4\t0.1\t0.5\t35.3\t0.04\t-40.5\t-40.4\t-40.3\t-40.6\t6.4\t\n"
    "C\t-0.0127\t 1.0858\t 0.008\t-0.5\n"
    "H\t 0.0021\t-6.0*^-3\t 0.002\t 0.1\n"
    "H\t 1.0117\t 1.4638\t 0.0003\t 0.1\n"
    "H\t-0.5408\t 1.4475\t-0.8766\t 0.1\n"
    "H\t-0.5238\t 1.4379\t 0.9064\t 0.1\n"
    "1341.3\t1341.3\t1341.4\t1562.6\t1562.7\t3038.3\t3151.6\t3151.7\t3151.8\n"
    "C\tC\t\n"
    "InChI=1S/CH4/h1H4\tInChI=1S/CH4/h1H4\n"
)
"""Laid out as a raw QM9 file; the values are made up."""

GLYCINE: Final = (
    ("N", -1.1359, 0.1286, -0.0190),
    ("C", 0.1805, -0.5909, -0.2204),
    ("C", 1.3368, 0.3396, 0.2146),
    ("O", 0.8525, 1.4487, 0.6197),
    ("O", 2.4989, -0.1011, 0.1126),
    ("H", -1.7218, -0.2810, 0.7072),
    ("H", -1.6239, 0.3443, -0.8872),
    ("H", -0.7810, 1.0463, 0.3626),
    ("H", 0.2481, -0.8395, -1.2823),
    ("H", 0.1459, -1.4951, 0.3922),
)
_GLYCINE_BONDS: Final = ["1 2 1", "2 3 1", "3 4 2", "3 5 1", "1 6 1", "1 7 1", "1 8 1", "2 9 1", "2 10 1"]


def glycine(*, charges: bool, title: str = "", zero: bool = False, dimension: str = "3D") -> str:
    """Return an SDF entry of the zwitterion of glycine, with or without its charges."""
    factor = 0.0 if zero else 1.0
    atoms = [f"{x * factor:10.4f}{y * factor:10.4f}{z * factor:10.4f} {s:3s} 0  0" for s, x, y, z in GLYCINE]
    bonds = ["".join(f"{value:>3s}" for value in bond.split()) + "  0" for bond in _GLYCINE_BONDS]
    header = [title, f"     RDKit          {dimension}", "", " 10  9  0  0  0  0  0  0  0  0999 V2000"]
    return "\n".join(
        [*header, *atoms, *bonds, *(["M  CHG  2   1   1   5  -1"] if charges else []), "M  END", "$$$$", ""]
    )


def poscar(title: str, anion: str = "Cl") -> str:
    """Return a POSCAR of caesium and a halogen."""
    return f"{title}\n4.12\n1 0 0\n0 1 0\n0 0 1\nCs {anion}\n1 1\nDirect\n0 0 0\n0.5 0.5 0.5\n"
