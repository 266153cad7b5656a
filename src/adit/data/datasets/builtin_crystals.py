"""Built-in crystals: real compounds from the AFLOW prototype library and elements in their reference states."""

from __future__ import annotations

import contextlib
import gzip
import importlib.util
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from adit import convert
from adit.data.datasets import element_crystals
from adit.data.datasets.records import Dataset, Loaded, Record, hashed_split
from adit.elements import ATOMIC_NUMBER, covalent_radii, reduced_formula
from adit.errors import DataError
from adit.systems import AtomicSystem, Kind

MAX_ATOMS = 20
"""Largest number of atoms in a primitive cell of the set, as in MP20."""
MIN_CONTACT = 0.65
"""Smallest allowed ratio of a distance between atoms to the sum of their covalent radii (dense actinides: 0.68)."""

_PROTOTYPES = Path("analysis", "prototypes", "aflow_prototypes.json.gz")
_CITATION = """@article{Mehl2017,
  doi = {10.1016/j.commatsci.2017.01.017}, year = {2017}, volume = {136}, pages = {S1--S828},
  author = {Mehl, Michael J. and Hicks, David and Toher, Cormac and Levy, Ohad and Hanson, Robert M. and Hart, Gus
    and Curtarolo, Stefano},
  title = {The {AFLOW} Library of Crystallographic Prototypes: Part 1}, journal = {Computational Materials Science}
}
@article{HjorthLarsen2017,
  doi = {10.1088/1361-648X/aa680e}, year = {2017}, volume = {29}, number = {27}, pages = {273002},
  author = {Hjorth Larsen, Ask and others},
  title = {The atomic simulation environment---a Python library for working with atoms},
  journal = {Journal of Physics: Condensed Matter}
}"""


def _prototype_file() -> Path:
    """Return the file of AFLOW prototypes inside pymatgen, without importing pymatgen."""
    spec = importlib.util.find_spec("pymatgen")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / _PROTOTYPES
        if path.is_file():
            return path
    raise DataError(f"pymatgen/{_PROTOTYPES.as_posix()}: not found; install the pinned requirements again")


def prototype_records() -> list[dict[str, Any]]:
    """Return pymatgen's records of AFLOW's prototypes, as they are in its file: ``snl`` (crystal) and ``tags``.

    Its own library is the same, but decodes all crystals and takes 10 s of processor time.

    Raises:
        DataError: the file of prototypes inside pymatgen is missing or not readable.
    """
    path = _prototype_file()
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            entries: list[dict[str, Any]] = json.load(file)
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{path}: not readable ({error}); install pymatgen again") from error
    return entries


def _prototype(entry: dict[str, Any], system_id: str) -> AtomicSystem | None:
    """Return the primitive cell of a prototype; ``None`` where sites are shared, vacant or isotopes."""
    sites = entry["snl"]["sites"]
    if any(len(site["species"]) != 1 or site["species"][0]["occu"] != 1 for site in sites):
        return None
    symbols = [site["species"][0]["element"] for site in sites]
    if any(symbol not in ATOMIC_NUMBER for symbol in symbols):
        return None
    tags = entry["tags"]
    cell = np.array(entry["snl"]["lattice"]["matrix"], dtype=float)
    crystal = AtomicSystem(
        system_id=system_id,
        kind=Kind.CRYSTAL,
        numbers=np.array([ATOMIC_NUMBER[symbol] for symbol in symbols]),
        positions=np.array([site["abc"] for site in sites], dtype=float) @ cell,
        cell=cell,
        info={
            "source": f"AFLOW {tags['aflow']}",
            "name": tags["mineral"] or "",
            "strukturbericht": tags["strukturbericht"] or "",
        },
    )
    return convert.primitive(crystal)


def prototypes() -> list[AtomicSystem]:
    """Return the ordered AFLOW prototypes of at most ``MAX_ATOMS`` atoms in the primitive cell.

    Raises:
        DataError: the file of prototypes inside pymatgen is missing or not readable.
    """
    crystals: list[AtomicSystem] = []
    seen: dict[str, int] = {}
    for entry in prototype_records():
        crystal = _prototype(entry, "prototype")
        if crystal is None or len(crystal) > MAX_ATOMS:
            continue
        name = f"aflow-{entry['tags']['aflow']}-{reduced_formula(crystal.numbers)}"
        seen[name] = seen.get(name, 0) + 1
        crystals.append(replace(crystal, system_id=name if seen[name] == 1 else f"{name}-{seen[name]}"))
    return crystals


def crystals() -> list[AtomicSystem]:
    """Return the complete set: prototypes, then crystals of elements whose phase is not among the prototypes.

    Raises:
        DataError: the file of prototypes inside pymatgen is missing or not readable.
    """
    all_crystals = prototypes()
    phases = {_phase(crystal) for crystal in all_crystals if len(set(crystal.numbers)) == 1}
    singles = [*element_crystals.reference_states(), *element_crystals.published()]
    return all_crystals + [crystal for crystal in singles if _phase(crystal) not in phases]


def _phase(crystal: AtomicSystem) -> tuple[int, int, int]:
    """Return element, spacegroup and number of atoms, which distinguish the phases of an element here."""
    return int(crystal.numbers[0]), convert.spacegroup_number(crystal), len(crystal)


def _load(mirror: str | None) -> Loaded:
    return Loaded([Record(c.system_id, hashed_split(c.system_id), partial(_itself, c)) for c in crystals()])


def _itself(system: AtomicSystem) -> AtomicSystem:
    """Return the crystal unchanged.

    Raises:
        DataError: its atoms are closer than in real crystals; a few prototypes have misprints.
    """
    ratio = _closest_contact(system)
    if ratio < MIN_CONTACT:
        raise DataError(f"{system.system_id}: atoms at {ratio:.2f} of the sum of their covalent radii, misprinted")
    return system


def _closest_contact(system: AtomicSystem) -> float:
    """Return the smallest distance between two atoms (nearest images) over the sum of their covalent radii."""
    if len(system) < 2:
        return 1.0
    radii = covalent_radii()[system.numbers]
    distances = convert.to_structure(system).distance_matrix
    np.fill_diagonal(distances, np.inf)
    return float((distances / np.add.outer(radii, radii)).min())


DATASET = Dataset(
    kind=Kind.CRYSTAL,
    source="ordered AFLOW prototypes inside pymatgen (at most 20 atoms); elements from ASE and the literature",
    licence="MIT (pymatgen), LGPL-2.1-or-later (ASE)",
    citation=_CITATION,
    load=_load,
)


def builtin_elements() -> list[AtomicSystem]:
    """Return the crystals of the elements in the built-in set, without structures that have misprints."""
    elements = []
    for record in DATASET.load(None).records:
        with contextlib.suppress(DataError):  # prototypes with misprints
            system = record.make()
            if len(set(system.numbers.tolist())) == 1:
                elements.append(system)
    return elements
