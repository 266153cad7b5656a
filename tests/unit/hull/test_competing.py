"""Prototypes in the gaps of a hull: what they are, that they fill gaps, and that nothing is computed twice."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from adit import convert, store
from adit.config import HullConfig, RelaxConfig
from adit.elements import composition, covalent_radii
from adit.errors import ConfigError, DataError
from adit.hull import competing, prototypes
from adit.hull.competing import Search, best, missing_pairs, with_prototypes
from adit.hull.convex_hull import Hull, ReferenceEntry
from adit.hull.prototypes import BONDS, decorated
from adit.relax.potentials import batch
from adit.relax.potentials.outcome import Relaxed

EMT = "emt-ase/EMT/none"
METALS = Hull.from_entries(
    EMT, [ReferenceEntry({"Cu": 1.0}, 0.0), ReferenceEntry({"Au": 1.0}, 0.0), ReferenceEntry({"Pt": 1.0}, 0.0)]
)
PAIR = frozenset({"Cu", "Au"})


def search(folder: Path, core_hours: float = 1.0) -> Search:
    return Search(RelaxConfig(engine="emt"), folder / "prototypes.parquet", core_hours, 1)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three structure types of two atoms are enough to see how they are searched."""
    some = tuple(each for each in prototypes.prototypes() if len(each.system) == 2)[:3]
    monkeypatch.setattr(prototypes, "prototypes", lambda: some)


def test_prototypes_are_binary_and_small_and_of_the_common_ratios() -> None:
    prototype_list = prototypes.prototypes()
    assert len(prototype_list) > 80
    assert len({each.name for each in prototype_list}) == len(prototype_list)
    ratios = {tuple(sorted(composition(each.system.numbers).values())) for each in prototype_list}
    assert (1, 1) in ratios
    assert all(len(ratio) == 2 for ratio in ratios)
    assert {"AB_cF8_225_a_b", "AB_cP2_221_b_a"} & {each.name for each in prototype_list}


def test_both_orders_at_each_volume() -> None:
    candidates = list(decorated((11, 17)))
    assert len(candidates) == 2 * len(BONDS) * len(prototypes.prototypes())
    assert len({name for name, _ in candidates}) * len(BONDS) == len(candidates)
    formulas = {tuple(sorted(composition(system.numbers).items())) for _, system in candidates}
    assert {(("Cl", 2), ("Na", 1)), (("Cl", 1), ("Na", 2))} <= formulas
    radii = covalent_radii()
    for _, system in candidates[:30]:
        from ase.neighborlist import neighbor_list

        first, second, distances = neighbor_list("ijd", convert.to_atoms(system), 5.0)
        share = (distances / (radii[system.numbers[first]] + radii[system.numbers[second]])).min()
        assert np.isclose(BONDS, share, atol=1e-6).any()


def test_pairs_that_most_systems_lack_come_first() -> None:
    chemical = [frozenset({"Au", "Pt"}), PAIR, PAIR, frozenset({"Cu", "Xx"})]
    assert missing_pairs(METALS, chemical) == ["Au-Cu", "Au-Pt"]


def test_a_gap_is_filled_and_never_searched_again(few: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert METALS.gaps(PAIR) == ["Au-Cu"]
    grown = with_prototypes(METALS, [PAIR], search(tmp_path))
    assert grown.gaps(PAIR) == []
    assert grown.gaps(PAIR | {"Pt"}) == ["Au-Pt", "Cu-Pt"]
    assert METALS.gaps(PAIR) == ["Au-Cu"]
    frame = store.read_frame(tmp_path / "prototypes.parquet")
    assert set(frame["set"]) == {"prototypes:Au-Cu"}
    assert list(frame["status"]).count(competing.SEARCHED) == 1
    assert grown.energy_at({"Cu": 1.0, "Au": 1.0}) <= 0.0
    assert len(grown.within(PAIR)) == 2 + len(frame) - 1

    monkeypatch.setattr(batch, "relax_all", lambda *_, **__: pytest.fail("computed what was kept"))
    again = with_prototypes(METALS, [PAIR], search(tmp_path))
    assert again.energy_at({"Cu": 1.0, "Au": 1.0}) == grown.energy_at({"Cu": 1.0, "Au": 1.0})


def test_without_a_budget_nothing_is_searched_and_the_gap_stays(tmp_path: Path) -> None:
    grown = with_prototypes(METALS, [PAIR], search(tmp_path, core_hours=0.0))
    assert grown.gaps(PAIR) == ["Au-Cu"]
    assert not (tmp_path / "prototypes.parquet").exists()


def test_a_pair_whose_prototypes_all_failed_stays_unknown(
    few: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "relax_all", lambda systems, *_, **__: [Relaxed("timeout", "slow") for _ in systems])
    grown = with_prototypes(METALS, [PAIR], search(tmp_path))
    assert grown.gaps(PAIR) == ["Au-Cu"]
    assert not (tmp_path / "prototypes.parquet").exists()


def test_of_each_composition_the_best_three_are_relaxed() -> None:
    candidates = [each for each in decorated((29, 79)) if composition(each[1].numbers) == {"Cu": 1, "Au": 1}]
    energies = [0.01 * number for number in range(len(candidates))]
    energies[0], energies[1] = 5.0, math.nan
    results = [
        Relaxed("unconverged", "", system, energy * len(system))
        for (_, system), energy in zip(candidates, energies, strict=True)
    ]
    chosen = best(candidates, results, METALS.elements)
    assert [system.system_id for system in chosen] == [
        candidates[2][1].system_id,
        *(candidates[i][1].system_id for i in (3, 6)),
    ]
    far = [Relaxed("unconverged", "", system, 0.4 * len(system)) for _, system in candidates]
    assert best(candidates, far, METALS.elements) == []


def test_prototypes_have_no_place_on_a_hull_of_another_method(tmp_path: Path) -> None:
    other = Hull.from_entries("vasp/PBE(+U)/MP2020", [])
    with pytest.raises(ConfigError, match=r"they would be emt.*set hull.reference: builtin"):
        with_prototypes(other, [PAIR], search(tmp_path))
    with pytest.raises(ValueError, match=r"needs hull.reference: builtin"):
        HullConfig(competing="prototypes")


def test_a_cache_that_is_another_table_is_refused(tmp_path: Path) -> None:
    import pandas as pd

    store.write_frame(tmp_path / "prototypes.parquet", pd.DataFrame({"x": [1]}))
    with pytest.raises(DataError, match="table of reference energies"):
        with_prototypes(METALS, [PAIR], search(tmp_path))
