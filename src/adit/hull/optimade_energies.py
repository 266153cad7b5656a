"""Which energies of an OPTIMADE provider go on a hull, and the energies of its entries (decision 35).

OPTIMADE has no standard property for energies: each provider has its own, of its own method. ``DOCUMENTED`` has those
whose method the provider documents; all others need a name and a method in the configuration.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from adit.config import MP2020_TAG, ProviderConfig
from adit.errors import DataError, one_line
from adit.readers.formulas import parse_formula

LARGEST: Final = {"total": 50.0, "formation": 10.0}
"""Largest absolute energies, eV/atom; larger ones are in another unit, or of something else."""

PER: Final[Mapping[str, Literal["atom", "cell"]]] = {"eV/atom": "atom", "eV": "cell"}
"""Units in which energies are read."""


class EnergyError(DataError):
    """A provider has no energies that can be used, or an entry has none."""


@dataclass(frozen=True)
class EnergyProperty:
    """A property with energies.

    Attributes:
        name: of the property.
        path: keys inside it.
        per: ``atom`` (eV/atom) or ``cell`` (eV).
        kind: ``total``, or ``formation`` from the elements.
        tag: method.
        whole: whether the provider computes all compounds that it knows, so that a pair without one is no gap.
    """

    name: str
    path: tuple[str, ...]
    per: Literal["atom", "cell"] | None
    kind: Literal["total", "formation"]
    tag: str
    whole: bool

    @property
    def label(self) -> str:
        """Return name and keys with dots."""
        return ".".join((self.name, *self.path))


def _of_mp(thermo_type: str, tag: str) -> EnergyProperty:
    return EnergyProperty("_mp_stability", (thermo_type, "formation_energy_per_atom"), "atom", "formation", tag, True)


DOCUMENTED: Final = (
    _of_mp("gga_gga+u", MP2020_TAG),
    _of_mp("gga_gga+u_r2scan", "vasp/PBE(+U)+r2SCAN/mixed"),
    _of_mp("r2scan", "vasp/r2SCAN/none"),
    EnergyProperty("_oqmd_delta_e", (), "atom", "formation", "vasp/PBE(+U)/OQMD", True),
)
"""The Materials Project and OQMD."""


def energy_property(config: ProviderConfig, properties: Mapping[str, Any], tag: str, host: str) -> EnergyProperty:
    """Return the property whose energies go on a hull.

    Args:
        config: the provider.
        properties: descriptions of its properties by name (``info/structures``).
        tag: method of the hull.
        host: of the provider, for messages.

    Raises:
        EnergyError: there is none: no energy that is known, another method, another unit.
    """
    held = _held(config, properties, host)
    fitting = [each for each in held if each.tag == tag]
    if not fitting:
        methods = ", ".join(f"{each.label}: {each.tag}" for each in held)
        raise EnergyError(f"{host}: its energies are of another method ({methods}) than the hull ({tag}); not used")
    chosen = fitting[0]
    if chosen.kind == "formation" and tag != MP2020_TAG:
        raise EnergyError(
            f"{host}: {chosen.label} is a formation energy, and energies of the elements are at hand for {MP2020_TAG} "
            "alone; not used"
        )
    per = chosen.per if chosen in DOCUMENTED else _per(chosen, properties[chosen.name], host)
    return EnergyProperty(chosen.name, chosen.path, per, chosen.kind, chosen.tag, chosen.whole)


def _held(config: ProviderConfig, properties: Mapping[str, Any], host: str) -> list[EnergyProperty]:
    """Return the energies that a provider has: the named one, or those that are known."""
    own = ", ".join(sorted(name for name in properties if name.startswith("_"))) or "none"
    if config.energy is None:
        if documented := [each for each in DOCUMENTED if each.name in properties]:
            return documented
        raise EnergyError(
            f"{host}: has no energies that are known here; name energy and tag in hull.live.providers "
            f"(properties of its own: {one_line(own, 300)})"
        )
    name, *path = config.energy.split(".")
    if name not in properties:
        raise EnergyError(f"{host}: has no property {name} (properties of its own: {one_line(own, 300)})")
    return [EnergyProperty(name, tuple(path), config.per, config.kind, str(config.tag), False)]


def _per(chosen: EnergyProperty, description: Any, host: str) -> Literal["atom", "cell"]:
    """Return what an energy is per: as configured, and as the provider says it."""
    unit = description.get("unit") if isinstance(description, dict) and not chosen.path else None
    if isinstance(unit, str) and unit not in PER:
        raise EnergyError(f"{host}: {chosen.label} is in {one_line(unit, 40)}, not in eV/atom or eV; not used")
    given = PER[unit] if isinstance(unit, str) else None
    if given is None and chosen.per is None:
        raise EnergyError(f"{host}: does not say the unit of {chosen.label}; set per: atom or cell for this provider")
    if None not in (given, chosen.per) and given != chosen.per:
        raise EnergyError(f"{host}: says that {chosen.label} is in {unit}; per: {chosen.per} contradicts it")
    return given or chosen.per or "atom"


def fields(chosen: EnergyProperty) -> tuple[str, ...]:
    """Return the properties that are asked of each entry."""
    return ("chemical_formula_reduced", "nsites", chosen.name)


def id_and_composition(entry: Any, elements: frozenset[str]) -> tuple[str, dict[str, float]]:
    """Return the id of an entry and the atoms of each element in its reduced formula.

    Raises:
        EnergyError: it has none, or is not of these elements; the text continues "entry ID …".
    """
    attributes = entry.get("attributes") if isinstance(entry, dict) else None
    if not isinstance(attributes, dict) or not isinstance(entry.get("id"), str | int):
        raise EnergyError("has no id or no attributes")
    formula = attributes.get("chemical_formula_reduced")
    if not isinstance(formula, str):
        raise EnergyError("has no formula")
    try:
        counts = parse_formula(formula)
    except DataError as error:
        raise EnergyError(f"has no formula that can be read ({one_line(str(error), 120)})") from None
    if set(counts) != elements:
        raise EnergyError(f"is {one_line(formula, 60)}, not of {'-'.join(sorted(elements))}, which was asked for")
    return str(entry["id"]), counts


def absolute_energy(
    attributes: Mapping[str, Any], counts: Mapping[str, float], chosen: EnergyProperty, elements: Mapping[str, float]
) -> float:
    """Return the energy of an entry, eV/atom, absolute.

    Args:
        attributes: of the entry.
        counts: atoms of each element in its reduced formula.
        chosen: where the energy is.
        elements: energies of the elements, eV/atom, for formation energies.

    Raises:
        EnergyError: it has none; the text continues "entry ID …".
    """
    value = _value(attributes.get(chosen.name), chosen)
    atoms = sum(counts.values())
    if chosen.per == "cell":
        value /= _sites(attributes.get("nsites"), atoms)
    if abs(value) > LARGEST[chosen.kind]:
        raise EnergyError(f"has {value:g} eV/atom as {chosen.label}, which is no {chosen.kind} energy")
    if chosen.kind == "total":
        return value
    if missing := [name for name in counts if name not in elements]:
        raise EnergyError(f"has no elemental reference for {', '.join(missing)}")
    return value + sum(n * elements[name] for name, n in counts.items()) / atoms


def _value(value: Any, chosen: EnergyProperty) -> float:
    for key in chosen.path:
        if isinstance(value, dict) and value and key not in value:
            others = ", ".join(sorted(map(str, value)))
            raise EnergyError(f"has no {chosen.name} of {key}, only of {one_line(others, 80)}")
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise EnergyError(f"has no {chosen.label}")
    return float(value)


def _sites(value: Any, atoms: float) -> int:
    """Return the number of atoms of a cell.

    Raises:
        EnergyError: it is no multiple of those of the formula.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1 or value % atoms:
        raise EnergyError(f"has {one_line(str(value), 20)} sites, no multiple of the {atoms:g} atoms of its formula")
    return value
