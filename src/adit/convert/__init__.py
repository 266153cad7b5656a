"""The only place that converts ``AtomicSystem`` to and from types and file formats of pymatgen, ASE and RDKit."""

from adit.convert.ase import from_atoms, to_atoms
from adit.convert.pymatgen import (
    from_cif,
    from_pymatgen_dict,
    from_structure,
    niggli,
    primitive,
    spacegroup_number,
    structure_of_dict,
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
    "from_mol_block",
    "from_pymatgen_dict",
    "from_rdkit",
    "from_structure",
    "inchikey",
    "niggli",
    "primitive",
    "read_sdf",
    "smiles_of_block",
    "spacegroup_number",
    "split_sdf",
    "structure_of_dict",
    "to_atoms",
    "to_cif",
    "to_rdkit",
    "to_structure",
    "to_xyz",
    "with_stereo",
]
