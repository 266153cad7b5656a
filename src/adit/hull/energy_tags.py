"""Whose energies may meet on whose hull: tags are ``<code>/<functional>/<correction>``."""

from __future__ import annotations

from typing import Final

from adit.errors import DataError

MP2020_TAG: Final = "vasp/PBE(+U)/MP2020"
"""The one tag of a hull on which CHGNet's energies are allowed, as a labelled surrogate."""

SURROGATE_PREFIX: Final = "chgnet_surrogate_"
"""Opens the name of every column and metric whose energy is CHGNet's on a hull of DFT energies."""

ENERGIES: Final = ("e_above_hull", "formation_energy_per_atom")
"""Columns of energies that have the surrogate's prefix where CHGNet's energies are on a hull of DFT energies."""


def bare_metric(name: str) -> str:
    """Return the name of a metric or column without the surrogate's prefix."""
    return name.removeprefix(SURROGATE_PREFIX)


def is_surrogate(energy_tag: str, hull_tag: str) -> bool:
    """Return whether energies on a hull are a labelled surrogate (``True``) or of the hull's own method (``False``).

    Raises:
        DataError: energies of these two methods do not meet on one hull.
    """
    if energy_tag == hull_tag:
        return False
    code, _, rest = energy_tag.partition("/")
    if code.startswith("chgnet-") and f"vasp/{rest}" == hull_tag == MP2020_TAG:
        return True
    raise DataError(
        f"energies tagged '{energy_tag}' cannot be compared with a hull tagged '{hull_tag}'; "
        f"recompute the references with the same method (hull.reference: builtin; dft.references for DFT)"
    )
