"""Ion exchange: neutral, new, rescaled, the same for a seed; and what cannot be exchanged."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from adit.cli import main
from adit.config import SampleStage
from adit.elements import ATOMIC_NUMBER, composition, reduced_formula
from adit.errors import ConfigError, DataError
from adit.sample.composition import parse_composition
from adit.sample.request import make_request
from adit.score.crystals.composition import compositionally_valid
from adit.seeds import generator
from adit.store import read_systems, write_systems
from adit.substitute.crystals import _scale, substitute
from adit.substitute.formulas import formulas_of_templates
from adit.substitute.ions import exchanged, ion_table, ions_of
from adit.systems import AtomicSystem, Kind
from tests.systems import same_systems

HALF = np.array([[0.0, 0, 0], [0.5, 0.5, 0.5]])


def pair(first: str, second: str, length: float) -> AtomicSystem:
    """Return a crystal of the CsCl type."""
    numbers = np.array([ATOMIC_NUMBER[first], ATOMIC_NUMBER[second]])
    return AtomicSystem(f"{first}{second}", Kind.CRYSTAL, numbers, HALF * length, np.eye(3) * length)


@pytest.fixture
def salts() -> list[AtomicSystem]:
    return [pair("Na", "Cl", 3.5), pair("Mg", "O", 2.6), pair("Cs", "Br", 4.3)]


def charges(counts: dict[str, int]) -> dict[str, int] | None:
    ions = ions_of({ATOMIC_NUMBER[element]: amount for element, amount in counts.items()})
    if ions is None:
        return None
    return dict(zip(counts, (int(ion_table().charges[ion]) for ion in ions), strict=True))


def test_ions_are_the_most_probable_ones_that_are_neutral() -> None:
    assert charges({"Na": 1, "Cl": 1}) == {"Na": 1, "Cl": -1}
    assert charges({"Fe": 2, "O": 3}) == {"Fe": 3, "O": -2}
    assert charges({"Fe": 1, "O": 1}) == {"Fe": 2, "O": -2}
    assert charges({"Ca": 1, "Ti": 1, "O": 3}) == {"Ca": 2, "Ti": 4, "O": -2}
    assert charges({"Na": 3, "K": 1}) is None, "an alloy has no ions"
    assert charges({"Fe": 2}) is None, "nor has an element"


def test_an_exchange_is_neutral_and_new_and_prefers_similar_ions() -> None:
    counts = {ATOMIC_NUMBER["Na"]: 1, ATOMIC_NUMBER["Cl"]: 1}
    ions, table, random = ions_of(counts), ion_table(), generator("test")
    assert ions is not None
    drawn = [new for new in (exchanged(counts, ions, random) for _ in range(400)) if new is not None]
    assert len(drawn) > 300
    elements: Counter[int] = Counter()
    for new in drawn:
        assert table.charges[list(new)].sum() == 0
        numbers = [int(z) for z in table.numbers[list(new)]]
        assert len(set(numbers)) == 2
        assert numbers != list(counts)
        elements.update(numbers)
    halogens, metals = ([ATOMIC_NUMBER[e] for e in group] for group in (("F", "Br", "I"), ("K", "Li", "Rb", "Ag")))
    assert sum(elements[z] for z in (*halogens, *metals)) > sum(elements.values()) * 0.3


def test_new_crystals_keep_the_structure_and_get_the_volume_of_their_ions(salts: list[AtomicSystem]) -> None:
    new_ones = substitute(salts, salts, 12, seed=3)
    again = substitute(salts, salts, 5, seed=3)
    assert [new.system_id for new in new_ones] == [f"substituted-3-{index}" for index in range(12)]
    assert all(same_systems(first, second) for first, second in zip(new_ones, again, strict=False)), (
        "n does not change them"
    )
    data = {reduced_formula(salt.numbers) for salt in salts}
    assert not data & {reduced_formula(new.numbers) for new in new_ones}, "a formula of the data would be a duplicate"
    assert len({reduced_formula(new.numbers) for new in new_ones}) == 12
    for new in new_ones:
        old = next(salt for salt in salts if salt.system_id == new.info["template"])
        np.testing.assert_allclose(new.fractional, old.fractional, atol=1e-9)
        assert new.lengths[0] / old.lengths[0] == pytest.approx(new.info["length_scale"], abs=1e-4)
    scales = {tuple(new.info["exchange"]): new.info["length_scale"] for new in new_ones}
    assert len(set(scales.values())) > 3, "different ions, different volumes"


def test_larger_ions_give_larger_crystals() -> None:
    def ion(element: str, charge: int) -> int:
        table = ion_table()
        return next(i for i in table.of_element[ATOMIC_NUMBER[element]] if table.charges[i] == charge)

    counts = {11: 1, 17: 1}
    before = (ion("Na", 1), ion("Cl", -1))
    assert _scale(counts, before, (ion("Cs", 1), ion("Cl", -1))) > 1.1
    assert _scale(counts, before, (ion("Li", 1), ion("F", -1))) < 0.9
    assert _scale(counts, before, before) == pytest.approx(1.0)


def test_what_cannot_be_exchanged_or_differs_no_more_is_one_line(salts: list[AtomicSystem]) -> None:
    with pytest.raises(DataError, match="only 0 of 2 crystals could be made: the 1 crystals have no ions"):
        substitute([pair("Na", "K", 4.0)], [], 2, seed=0)
    with pytest.raises(DataError, match="there is no crystal whose ions"):
        substitute([], salts, 2, seed=0)


def test_the_verb_reads_any_format_and_keeps_to_the_training_split(
    tmp_path: Path, salts: list[AtomicSystem], capsys: pytest.CaptureFixture[str]
) -> None:
    write_systems(tmp_path / "data.arrow", salts, splits=["train", "test", "test"])
    out = tmp_path / "new.arrow"
    assert main(["substitute", "--data", str(tmp_path / "data.arrow"), "--n", "3", "--out", str(out)]) == 0
    assert [row.info["template"] for row in read_systems(out)] == ["NaCl"] * 3
    write_systems(tmp_path / "water.arrow", [AtomicSystem("w", Kind.MOLECULE, np.array([8]), np.zeros((1, 3)))])
    assert main(["substitute", "--data", str(tmp_path / "water.arrow"), "--n", "3", "--out", str(out)]) == 3
    assert (
        main(["substitute", "--data", str(tmp_path / "data.arrow"), "--n", "3", "--out", str(tmp_path / "x.txt")]) == 2
    )
    said = capsys.readouterr().err
    assert "water.arrow: holds no crystals" in said
    assert "give a file with the suffix .arrow or .extxyz" in said


def test_formulas_are_new_neutral_and_within_the_vocabulary(salts: list[AtomicSystem]) -> None:
    formulas = formulas_of_templates(salts, salts, 5, max_atomic_number=60, pool=200)
    assert formulas == formulas_of_templates(salts, salts, 5, max_atomic_number=60, pool=200)
    assert sum(formulas.values()) == 200
    assert len(formulas) > 20
    data = {reduced_formula(salt.numbers) for salt in salts}
    for text in formulas:
        unit = parse_composition(text, 60).unit or {}
        numbers = [z for z, amount in unit.items() for _ in range(amount)]
        assert len(numbers) == 2, "as many atoms as the crystal that was changed"
        assert reduced_formula(numbers) not in data
        assert compositionally_valid(composition(numbers))
    all_of_them = formulas_of_templates(salts, salts, 5, max_atomic_number=60, repeats=True, pool=400)
    assert data & {reduced_formula(list((parse_composition(text).unit or {}).keys())) for text in all_of_them}
    with pytest.raises(DataError, match="no new formula can be made"):
        formulas_of_templates([pair("Na", "K", 4.0)], salts, 5, max_atomic_number=60, pool=5)


def test_formulas_become_the_compositions_of_samples() -> None:
    stage = SampleStage.model_validate({"seed": 1, "sample": {"formulas": "substitution"}})
    fixed = {"histograms": {"crystal": {"2": 1.0, "3": 5.0}, "molecule": {"2": 1.0}}, "labels": [], "latent_dim": 4}
    formulas = {"crystal": {"K1Br1": 1.0, "Li1F1": 1.0}}
    request = make_request(stage, Kind.CRYSTAL, formulas=formulas, max_atomic_number=100, **fixed)  # type: ignore[arg-type]
    drawn = {tuple(sorted((request.draw(index).counts or {}).items())) for index in range(20)}
    assert drawn == {((19, 1), (35, 1)), ((3, 1), (9, 1))}
    with pytest.raises(ConfigError, match="which a molecule has none of"):
        make_request(stage, Kind.MOLECULE, formulas=formulas, max_atomic_number=100, **fixed)  # type: ignore[arg-type]
