"""Elements of a crystal: how concentrated their supply is, how common and expensive they are, and which are toxic."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from adit.elements import ATOMIC_NUMBER, SYMBOLS

TOXIC: Final[Mapping[str, str]] = {
    "As": "WHO: chemical of major public health concern; IARC group 1",
    "Be": "IARC group 1",
    "Cd": "WHO: chemical of major public health concern; IARC group 1; RoHS",
    "Cr": "Cr(VI): IARC group 1; RoHS",
    "Hg": "WHO: chemical of major public health concern; RoHS",
    "Ni": "nickel compounds: IARC group 1",
    "Pb": "WHO: chemical of major public health concern; RoHS",
}
"""Toxic elements, each with a reason; a short list, no assessment of a compound."""

TOXIC_SOURCES: Final = (
    "WHO: Ten chemicals of major public health concern (2020). IARC: Monographs, agents classified as group 1 "
    "(carcinogenic to humans). RoHS: Directive 2011/65/EU. An element that is not listed is not thereby harmless."
)
"""Sources of ``TOXIC``, for display."""

NO_STABLE_ISOTOPE: Final = frozenset({"Tc", "Pm", *SYMBOLS[ATOMIC_NUMBER["Po"] :]})
"""Elements that are always radioactive."""

SOURCES: Final = (
    "HHI: Herfindahl-Hirschman index of production and reserves, 0 to 10,000; above 2,500 a market counts as "
    "concentrated (Gaultois et al., Chem. Mater. 25, 2911 (2013), table of pymatgen). Abundance in the Earth's crust: "
    "CRC Handbook, table of smact. Prices of the elements: pymatgen's table (2013 and before), for comparison only."
)
"""Sources of the numbers, for display."""


@dataclass(frozen=True)
class Supply:
    """An element of a compound; unknown numbers are ``None``.

    Attributes:
        symbol: symbol of the element.
        mass_share: its share of the mass of the compound, 0 to 1.
        production: Herfindahl-Hirschman index (HHI) of production, 0 to 10,000.
        reserves: HHI of reserves, 0 to 10,000.
        abundance: abundance in the Earth's crust, mg/kg.
        price: price, US$/kg.
        warning: why it is on the list of toxic elements, or radioactive; empty otherwise.
    """

    symbol: str
    mass_share: float
    production: float | None
    reserves: float | None
    abundance: float | None
    price: float | None
    warning: str


def supply(counts: Mapping[str, float]) -> list[Supply]:
    """Return the elements of a composition in the order of their share of the mass.

    Args:
        counts: number of atoms by element symbol.
    """
    from pymatgen.core import Composition

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # elements without an electronegativity, which nothing here needs
        return _supply(Composition(counts))


def _supply(composition: Any) -> list[Supply]:
    shares = {str(element): composition.get_wt_fraction(element) for element in composition.elements}
    return [_of_element(name, share) for name, share in sorted(shares.items(), key=lambda pair: -pair[1])]


def price_per_kg(elements: list[Supply]) -> float | None:
    """Return the price of the elements in one kg of a compound, US$/kg; ``None`` if one is unknown."""
    prices = [None if one.price is None else one.mass_share * one.price for one in elements]
    present = [price for price in prices if price is not None]
    return sum(present) if len(present) == len(prices) else None


def weighted(elements: list[Supply], column: str) -> float | None:
    """Return the mean of a number over the elements, weighted by mass; ``None`` if one is unknown.

    Args:
        elements: elements of a compound.
        column: ``production`` or ``reserves``.
    """
    values = [getattr(one, column) for one in elements]
    if any(value is None for value in values):
        return None
    return float(sum(one.mass_share * value for one, value in zip(elements, values, strict=True)))


def _of_element(symbol: str, share: float) -> Supply:
    production, reserves = _hhi().get(symbol, (None, None))
    radioactive = "no stable isotope" if symbol in NO_STABLE_ISOTOPE else ""
    warning = "; ".join(text for text in (TOXIC.get(symbol, ""), radioactive) if text)
    return Supply(symbol, share, production, reserves, _abundance(symbol), _price(symbol), warning)


@cache
def _hhi() -> dict[str, tuple[float, float]]:
    from pymatgen.analysis.hhi import HHIModel

    return dict(HHIModel().symbol_hhip_hhir)


@cache
def _abundance(symbol: str) -> float | None:
    import smact

    try:
        value: Any = smact.Element(symbol).crustal_abundance
    except NameError:  # smact's word for an element that it does not have
        return None
    return float(value) if isinstance(value, int | float) and value > 0 else None


@cache
def _price(symbol: str) -> float | None:
    from pymatgen.analysis.cost import CostAnalyzer, CostDBElements
    from pymatgen.core import Element

    base = CostDBElements()
    if not base.get_entries([Element(symbol)]):
        return None
    return float(CostAnalyzer(base).get_cost_per_kg(symbol))
