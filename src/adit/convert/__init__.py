"""The only place that converts ``AtomicSystem`` to and from types and file formats of pymatgen, ASE and RDKit."""

from adit.convert.ase import from_atoms, from_extxyz_frame, read_extxyz, read_extxyz_frame, to_atoms
from adit.convert.pymatgen import (
    from_cif,
    from_pymatgen_dict,
    from_structure,
    niggli,
    primitive,
    read_poscar,
    spacegroup_number,
    to_cif,
    to_structure,
)
from adit.convert.rdkit import (
    canonical_smiles,
    from_mol_block,
    from_rdkit,
    inchikey,
    read_sdf,
    smiles_of_block,
    split_sdf,
    to_rdkit,
    to_xyz,
    with_stereo,
)

__all__ = [
    "canonical_smiles",
    "from_atoms",
    "from_cif",
    "from_extxyz_frame",
    "from_mol_block",
    "from_pymatgen_dict",
    "from_rdkit",
    "from_structure",
    "inchikey",
    "niggli",
    "primitive",
    "read_extxyz",
    "read_extxyz_frame",
    "read_poscar",
    "read_sdf",
    "smiles_of_block",
    "spacegroup_number",
    "split_sdf",
    "to_atoms",
    "to_cif",
    "to_rdkit",
    "to_structure",
    "to_xyz",
    "with_stereo",
]
