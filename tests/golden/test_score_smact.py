"""Compositional validity on the SMACT14 states equals an independent enumeration; smact's own test is another."""

from __future__ import annotations

import itertools
from math import gcd, prod

import numpy as np
import pytest
import smact

from adit.elements import SYMBOLS, composition
from adit.score.crystals.composition import MAX_COMBINATIONS, compositionally_valid, smact_native_valid

COMMON = ("O", "F", "Cl", "S", "N", "Li", "Na", "Mg", "Ca", "Al", "Si", "Fe", "Mn", "P", "Se")


def published(counts: dict[str, int]) -> bool:
    """Return CDVAE's test by smact's own pieces: every combination of states, every neutral one through Pauling."""
    divisor = gcd(*counts.values())
    counts = {symbol: count // divisor for symbol, count in counts.items()}
    if len(counts) == 1 or all(symbol in smact.metals for symbol in counts):
        return True
    elements = [smact.Element(symbol) for symbol in counts]
    states = [element.oxidation_states_smact14 or [] for element in elements]
    if prod(map(len, states)) > MAX_COMBINATIONS:
        return False
    names, electronegativities = list(counts), [element.pauling_eneg for element in elements]
    for combination in itertools.product(*states):
        if sum(state * counts[name] for state, name in zip(combination, names, strict=True)) == 0 and pauling(
            combination, electronegativities
        ):
            return True
    return False


def pauling(states: tuple[int, ...], electronegativities: list[float | None]) -> bool:
    """Return whether no anion is as electropositive as a cation; unknown electronegativities pass."""
    pairs = [(q, x) for q, x in zip(states, electronegativities, strict=True) if x is not None]
    cations, anions = [x for q, x in pairs if q > 0], [x for q, x in pairs if q < 0]
    return not cations or not anions or max(cations) < min(anions)


def random_compositions(count: int) -> list[dict[str, int]]:
    """Return compositions of one to five elements, half of them of common ones, so that many are neutral."""
    random = np.random.default_rng(0)
    compositions = []
    for number in range(count):
        pool = COMMON if number % 2 else SYMBOLS[1:95]
        chosen = random.choice(len(pool), size=random.integers(1, 6), replace=False)
        compositions.append({pool[index]: int(random.integers(1, 7)) for index in chosen})
    return compositions


def test_2000_compositions_agree_with_enumeration() -> None:
    compositions = random_compositions(2000)
    answers = [compositionally_valid(counts) for counts in compositions]
    assert answers == [published(counts) for counts in compositions]
    assert 300 < sum(answers) < 1700


@pytest.mark.parametrize(
    ("counts", "valid"),
    [
        ({"Na": 1, "Cl": 1}, True),
        ({"Na": 1, "Cl": 2}, False),
        ({"Fe": 3, "O": 4}, False),  # no mixed valence: one state per element
        ({"Ca": 1, "Ti": 1, "O": 3}, True),
        ({"Cu": 3, "Au": 1}, True),
        ({"Xe": 1}, True),
        ({"U": 1, "O": 2}, True),
    ],
)
def test_known_compositions(counts: dict[str, int], valid: bool) -> None:
    assert compositionally_valid(counts) is valid
    assert published(counts) is valid


def test_the_native_function_is_another_test() -> None:
    compositions = random_compositions(200)
    native = [smact_native_valid(counts) for counts in compositions]
    own = [compositionally_valid(counts) for counts in compositions]
    assert native != own
    assert sum(native) > 20


def test_elements_that_smact_does_not_know_fail() -> None:
    assert not compositionally_valid(composition([118, 8]))
