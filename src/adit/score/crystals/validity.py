"""Structural validity of crystals: distances over all periodic images, volume, density."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np

from adit import convert
from adit.elements import covalent_radii
from adit.errors import DataError
from adit.systems import AtomicSystem

MIN_DISTANCE: Final = 0.5
"""Smallest distance of a valid crystal, Å. Source: CDVAE's test, used by FlowMM and by the paper (Section 4)."""

MIN_VOLUME: Final = 0.1
"""Smallest volume of the cell of a valid crystal, Å³. Source: as ``MIN_DISTANCE``."""

MIN_DISTANCE_RATIO: Final = 0.7
"""Smallest distance of a pair over the sum of its covalent radii, of a valid crystal."""

VOLUME_PER_ATOM_RANGE: Final = (5.0, 125.0)
"""Volume per atom, Å³. Contains 99.9 % of MP20's validation and test sets, diamond (5.7) and caesium (117)."""

DENSITY_RANGE: Final = (0.5, 23.0)
"""Density, g/cm³. Contains 99.9 % of MP20's validation and test sets, and osmium (22.6)."""

_GRAMS_PER_CM3: Final = 1.66053906660
"""One atomic mass unit in 1 Å³, in g/cm³."""

_BLOCK: Final = 2_000_000
"""Largest number of pair distances in memory."""

_MAX_IMAGES: Final = 200_000

_DENSE: Final = 300
"""Largest number of atoms for which all pairs are in memory together."""


@dataclass(frozen=True)
class Contacts:
    """Closest contacts of a crystal.

    Attributes:
        distance: smallest distance between two atoms, or an atom and its own image, Å.
        ratio: smallest distance divided by the sum of the covalent radii of the pair.
    """

    distance: float
    ratio: float


def closest_contacts(system: AtomicSystem) -> Contacts:
    """Return the closest contacts over all periodic images, an atom's own images included.

    The shortest vector b of the LLL-reduced basis connects every atom to an image of itself. So pairs further apart
    than |b| are not the closest pair, and do not have the smallest ratio, since the largest atom and its image have a
    smaller one. Only few images are within |b|, even in skewed cells.

    Raises:
        DataError: the system has no cell, or the cell is too flat to enumerate images.
    """
    if system.cell is None:
        raise DataError(f"{system.system_id}: has no cell")
    basis = np.asarray(convert.to_structure(system).lattice.get_lll_reduced_lattice().matrix, dtype=float)
    reach = float(np.linalg.norm(basis, axis=1).min())
    fractional = np.linalg.solve(basis.T, system.positions.T).T
    radii = covalent_radii()[system.numbers]
    if len(system) > _DENSE:
        return _of_many(fractional, basis, reach, radii, system.system_id)
    difference = fractional[None, :, :] - fractional[:, None, :]
    difference -= np.round(difference)
    shifts = _images(basis, reach, system.system_id)
    sums = radii[:, None] + radii[None, :]
    distance, ratio = np.inf, np.inf
    block = max(1, _BLOCK // len(system) ** 2)
    for start in range(0, len(shifts), block):
        part = shifts[start : start + block]
        lengths = np.linalg.norm((difference[None] + part[:, None, None, :]) @ basis, axis=-1)
        here = np.flatnonzero((part == 0).all(axis=1))
        for index in here:
            np.fill_diagonal(lengths[index], np.inf)
        distance = min(distance, float(lengths.min()))
        ratio = min(ratio, float((lengths / sums).min()))
    return Contacts(distance, ratio)


def _of_many(fractional: np.ndarray, basis: np.ndarray, reach: float, radii: np.ndarray, system_id: str) -> Contacts:
    """Return the closest contacts of many atoms from neighbour trees, with memory proportional to their number.

    No lattice of spheres is denser than close packing, so the closest pair is at most 1.13 (V/n)^(1/3) apart, and the
    pair with the smallest ratio at most the largest radius over the smallest times as far.
    """
    from scipy.spatial import cKDTree

    packed = 1.13 * (abs(float(np.linalg.det(basis))) / len(fractional)) ** (1 / 3)
    margin = min(reach, packed * float(radii.max() / radii.min())) * (1 + 1e-9)
    home = fractional - np.floor(fractional)
    edge = margin * np.linalg.norm(np.linalg.inv(basis), axis=0)
    most = np.ceil(edge)
    if not np.isfinite(most).all() or np.prod(2 * most + 1) > _MAX_IMAGES:
        raise DataError(f"{system_id}: cell is too flat to search for neighbours")
    shifts = np.array(list(product(*(range(-int(m), int(m) + 1) for m in most))))
    near, owners = [], []
    for shift in shifts:
        image = home + shift
        kept = np.flatnonzero(((image >= -edge) & (image < 1 + edge)).all(axis=1))
        near.append(image[kept])
        owners.append(kept)
    places, images, owner = home @ basis, np.concatenate(near) @ basis, np.concatenate(owners)
    distance, ratio = np.inf, np.inf
    kinds = np.unique(radii)
    for one in kinds:
        tree = cKDTree(images[radii[owner] == one])
        for other in kinds[kinds >= one]:
            nearest, _ = tree.query(places[radii == other], k=[2 if one == other else 1], workers=1)
            closest = float(nearest.min())
            distance, ratio = min(distance, closest), min(ratio, closest / (one + other))
    return Contacts(min(distance, reach), min(ratio, reach / (2 * float(radii.max()))))


def _images(basis: np.ndarray, reach: float, system_id: str) -> np.ndarray:
    """Return the integer shifts (k, 3) of images within ``reach`` (Å) of wrapped differences."""
    heights = 1.0 / np.linalg.norm(np.linalg.inv(basis), axis=0)
    bound = np.floor(reach / heights + 0.5 + 1e-9)
    if not np.isfinite(bound).all() or np.prod(2 * bound + 1) > _MAX_IMAGES:
        raise DataError(f"{system_id}: cell is too flat to search for neighbours")
    axes = [np.arange(-int(b), int(b) + 1) for b in bound]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def density(system: AtomicSystem) -> float:
    """Return the density of a crystal, g/cm³."""
    from ase.data import atomic_masses

    return float(atomic_masses[system.numbers].sum() * _GRAMS_PER_CM3 / system.volume)


def structurally_valid(contacts: Contacts, volume: float) -> bool:
    """Return whether the published test passes: closest distance ≥ 0.5 Å and volume ≥ 0.1 Å³.

    Differs: the common code masks the diagonal of the distance matrix and ignores an atom's own images.

    Args:
        contacts: closest contacts of the crystal.
        volume: volume of the cell, Å³.

    Source: as ``MIN_DISTANCE``.
    """
    return contacts.distance >= MIN_DISTANCE and volume >= MIN_VOLUME


def plausible_density(volume_per_atom: float, grams_per_cm3: float) -> bool:
    """Return whether volume per atom (Å³) and density (g/cm³) lie in the range of real crystals."""
    low, high = VOLUME_PER_ATOM_RANGE
    least, most = DENSITY_RANGE
    return low <= volume_per_atom <= high and least <= grams_per_cm3 <= most
