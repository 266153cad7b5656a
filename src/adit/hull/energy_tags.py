"""Energy tags ``<code>/<functional>/<correction>``: which energies can be compared with which hull."""

from __future__ import annotations

import re

from adit.columns import POTENTIALS, energies_name
from adit.config import MP2020_TAG
from adit.errors import DataError

__all__ = ["MP2020_TAG", "column_of", "potential_of_tag", "surrogate_of"]
"""``MP2020_TAG`` is the only tag of a DFT hull that energies of a potential may be on, as a surrogate."""


def potential_of_tag(energy_tag: str) -> str:
    """Return the potential that an energy tag names (``chgnet`` of ``chgnet-0.3.0/…``); empty for other methods."""
    name, dash, _ = energy_tag.partition("/")[0].partition("-")
    return name if dash and name in POTENTIALS else ""


def surrogate_of(energy_tag: str, hull_tag: str) -> str:
    """Return the potential whose energies are a surrogate for those of the hull; empty for the hull's own method.

    A surrogate stands for DFT energies with the same functional and correction. This is the only place that decides it;
    the names of columns and metrics follow (``columns.energies_name``).

    Raises:
        DataError: energies of these two methods cannot be compared.
    """
    if energy_tag == hull_tag:
        return ""
    method = energy_tag.partition("/")[2]
    if potential_of_tag(energy_tag) and f"vasp/{method}" == hull_tag == MP2020_TAG:
        return potential_of_tag(energy_tag)
    raise DataError(
        f"energies tagged '{energy_tag}' cannot be compared with a hull tagged '{hull_tag}'; "
        f"recompute the references with the same method (hull.reference: builtin; dft.references for DFT)"
    )


def column_of(name: str, energy_tag: str, hull_tag: str) -> str:
    """Return the name of a column of energies in a table with several potentials, e.g. ``sevennet_e_above_hull``.

    Args:
        name: name of the column in a table with one potential.
        energy_tag: method of the energies.
        hull_tag: method of the hull.

    Raises:
        DataError: energies of these two methods cannot be compared.
    """
    if potential := surrogate_of(energy_tag, hull_tag):
        return energies_name(name, potential)
    code = re.sub("[^a-z0-9]+", "_", energy_tag.partition("/")[0].partition("-")[0].lower())
    return f"{potential_of_tag(energy_tag) or code}_{name}"
