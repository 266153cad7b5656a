"""Prototypes in the gaps of a hull: what they are, that they fill gaps, and that nothing is computed twice."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adit import convert, store
from adit.cli.prototypes import coverage
from adit.config import HullConfig, RelaxConfig
from adit.elements import composition, covalent_radii
from adit.errors import ConfigError, DataError, ExternalToolError
from adit.hull import competing, pair_search, prototypes
from adit.hull.competing import Search, missing_pairs, with_finished, with_prototypes
from adit.hull.convex_hull import Hull, ReferenceEntry
from adit.hull.pair_search import LARGE, MIDDLE, PROMISING, SMALL, PairResult, PairTask, best, screen
from adit.hull.prototypes import BONDS, MIN_VOLUME, decorated
from adit.isolate import Outcome
from adit.relax.potentials.chosen import Chosen

EMT = "emt-ase/EMT/none"
METALS = Hull.from_entries(
    EMT, [ReferenceEntry({"Cu": 1.0}, 0.0), ReferenceEntry({"Au": 1.0}, 0.0), ReferenceEntry({"Pt": 1.0}, 0.0)]
)
PAIR = frozenset({"Cu", "Au"})
LIBRARY_3 = prototypes.prototypes(3)


def search(folder: Path, core_hours: float = 1.0, judges: tuple[Chosen, ...] = ()) -> Search:
    return Search(RelaxConfig(engine="emt"), folder / "prototypes.parquet", core_hours, 1, judges)


def in_process(function: Any, items: Sequence[Any], *, on_result: Any, **_: Any) -> None:
    """Stand in for worker processes, which would not see what a test changes."""
    for index, item in enumerate(items):
        on_result(index, Outcome("ok", function(item), "", 0.0))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three structure types of two atoms are enough to see how they are searched."""
    some = tuple(each for each in prototypes.prototypes() if len(each.system) == 2)[:3]
    monkeypatch.setattr(prototypes, "prototypes", lambda *_: some)
    monkeypatch.setattr(competing, "map_isolated", in_process)


def test_prototypes_are_binary_and_small_and_of_the_common_ratios() -> None:
    prototype_list = prototypes.prototypes()
    assert len(prototype_list) > 80
    assert len({each.name for each in prototype_list}) == len(prototype_list)
    ratios = {tuple(sorted(composition(each.system.numbers).values())) for each in prototype_list}
    assert (1, 1) in ratios
    assert all(len(ratio) == 2 for ratio in ratios)
    assert {"AB_cF8_225_a_b", "AB_cP2_221_b_a"} & {each.name for each in prototype_list}


def test_both_orders_at_each_volume_and_each_crystal_once() -> None:
    library = prototypes.prototypes()
    symmetric = {each.name for each in library if each.symmetric}
    assert "AB_cF8_225_a_b" in symmetric  # rock salt
    assert not {each.name for each in library if each.name.startswith("AB2_")} & symmetric
    candidates = list(decorated((11, 17)))  # of their sizes none is too dense
    assert len(candidates) == (2 * len(library) - len(symmetric)) * len(BONDS)
    assert len({name for name, _ in candidates}) * len(BONDS) == len(candidates)
    formulas = {tuple(sorted(composition(system.numbers).items())) for _, system in candidates}
    assert {(("Cl", 2), ("Na", 1)), (("Cl", 1), ("Na", 2))} <= formulas
    radii = covalent_radii()
    for _, system in candidates[::12]:
        from ase.neighborlist import neighbor_list

        first, second, distances = neighbor_list("ijd", convert.to_atoms(system), 5.0)
        share = (distances / (radii[system.numbers[first]] + radii[system.numbers[second]])).min()
        assert np.isclose(BONDS, share, atol=1e-6).any()


def energies_tried(energy: Callable[[str, float], float]) -> list[tuple[str, float]]:
    """Return structure type and ratio of ``BONDS`` of all crystals of Cu and Au whose energies are computed, in order.

    Args:
        energy: energy (eV/atom) of a structure type at a ratio.
    """
    task = PairTask("Cu-Au", {"Cu": 0.0, "Au": 0.0}, Chosen("emt"), (), None, "cpu", 64, time.time() + 99)  # type: ignore[arg-type]
    tried: list[tuple[str, float]] = []

    def static(_: PairTask, candidates: Sequence[Any]) -> list[Any]:
        places = [(name.split("/")[0], BONDS[int(system.system_id[-1])]) for name, system in candidates]
        tried.extend(places)
        return [(*each, energy(*place)) for each, place in zip(candidates, places, strict=True)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pair_search, "_static", static)
        screen(task, (29, 79))
    return tried


def test_only_promising_prototypes_are_tried_at_the_other_volumes(few: None) -> None:
    """One volume of a prototype 1 eV/atom off the best, three of the others, the fourth where it may be lower."""
    off, shrinking, best_at_middle = (each.name for each in prototypes.prototypes())
    values = {(off, MIDDLE): PROMISING + 0.1, (shrinking, SMALL): -0.1, (best_at_middle, SMALL): 0.1}
    tried = energies_tried(lambda name, bond: values.get((name, bond), 0.0))
    volumes = {name: {bond for each, bond in tried if each == name} for name, _ in tried}
    assert volumes == {
        off: {MIDDLE},
        shrinking: set(BONDS),
        best_at_middle: {SMALL, MIDDLE, LARGE},
    }
    orders = {each.name: 1 if each.symmetric else 2 for each in prototypes.prototypes()}
    assert len(tried) == sum(orders[name] * len(bonds) for name, bonds in volumes.items())


def test_crystals_of_impossible_density_are_left_out() -> None:
    """Hydrogen is so small that prototypes shrink to 1 Å³ per atom, where one energy takes longer than a pair."""
    volumes = [system.volume / len(system) for _, system in decorated((1, 8))]
    assert min(volumes) >= MIN_VOLUME
    assert 0 < len(volumes) < len(list(decorated((11, 17)))) / 2


def test_the_library_is_that_of_pymatgen() -> None:
    """The same crystals that its own loader decodes."""
    from pymatgen.analysis.prototypes import AFLOW_PROTOTYPE_LIBRARY

    crystals = {str(each["tags"]["aflow"]): each["snl"].structure for each in reversed(AFLOW_PROTOTYPE_LIBRARY)}
    for each in prototypes.prototypes()[::10]:
        structure = crystals[each.name]
        assert each.system.numbers.tolist() == list(structure.atomic_numbers)
        assert np.allclose(each.system.positions, structure.cart_coords)
        assert each.system.cell is not None
        assert np.allclose(each.system.cell, structure.lattice.matrix)


def test_the_shortest_distances_are_those_of_the_crystal() -> None:
    """Rock salt: half an edge between unlike atoms, half a face's diagonal between like ones."""
    (rock_salt,) = (each for each in prototypes.prototypes() if each.name == "AB_cF8_225_a_b")
    first, both, second = rock_salt.shortest
    assert first == pytest.approx(both * 2**0.5)
    assert second == pytest.approx(both * 2**0.5)


def test_wall_time_counts_from_when_the_worker_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    task = PairTask("Cu-Au", METALS.elements, Chosen("emt"), (), None, "cpu", 64, time.time() + 999, 30.0)  # type: ignore[arg-type]
    monkeypatch.setattr(pair_search, "_WARM", {})
    assert not task.is_late  # whatever loading took
    pair_search.load_search(Chosen("emt"), (Chosen("mace"),), "cpu")  # a judge without weights is no reason to stop
    assert 29.0 < task.left_s <= 30.0
    monkeypatch.setattr(pair_search, "_WARM", {os.getpid(): time.time() - 31.0})
    assert task.is_late
    assert not pair_search.search_pair(task).complete


def test_a_worker_that_loads_for_too_long_ends_a_short_search_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unstarted(*_: Any, on_result: Any, startup_s: float, **__: Any) -> None:
        on_result(0, Outcome("unstarted", None, "worker process not ready", startup_s))

    monkeypatch.setattr(competing, "map_isolated", unstarted)
    short = replace(search(tmp_path), wall_s=30.0)
    assert with_prototypes(METALS, [PAIR], short).gaps(PAIR) == ["Au-Cu"]
    with pytest.raises(ExternalToolError, match="does not load in a worker"):
        with_prototypes(METALS, [PAIR], search(tmp_path))


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

    monkeypatch.setattr(competing, "map_isolated", lambda *_, **__: pytest.fail("computed what was kept"))
    again = with_prototypes(METALS, [PAIR], search(tmp_path))
    assert again.energy_at({"Cu": 1.0, "Au": 1.0}) == grown.energy_at({"Cu": 1.0, "Au": 1.0})
    same = with_finished(METALS, [PAIR], Chosen("emt"), 0.05, tmp_path / "prototypes.parquet")
    assert same.gaps(PAIR) == []


def test_a_judge_gets_energies_of_the_same_relaxed_crystals(few: None, tmp_path: Path) -> None:
    """A pair without the judge's energies is searched again; one that the judge cannot know is not."""
    cache, judge = tmp_path / "prototypes.parquet", Chosen("emt", python=sys.executable)
    with_prototypes(METALS, [PAIR], search(tmp_path, judges=(judge,)))
    frame = store.read_frame(cache)
    own, judged = frame[frame["potential"] == "emt"], frame[frame["reason"].str.startswith("static")]
    assert judge.identity() == Chosen("emt").identity()  # the same potential: its rows take the place of the first's
    assert len(judged) == len(own) - 1
    plain = store.read_frame(cache)
    with_prototypes(METALS, [PAIR], search(tmp_path / "other"))
    other = store.read_frame(tmp_path / "other" / "prototypes.parquet")
    assert np.allclose(plain["energy_per_atom"], other["energy_per_atom"], atol=1e-6, equal_nan=True)


def test_what_is_late_is_given_up_and_nothing_of_it_is_kept(
    few: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(competing, "search_pair", lambda _: PairResult(complete=False))
    grown = with_prototypes(METALS, [PAIR], search(tmp_path))
    assert grown.gaps(PAIR) == ["Au-Cu"]
    assert not (tmp_path / "prototypes.parquet").exists()
    late = PairTask("Cu-Au", METALS.elements, Chosen("emt"), (), None, "cpu", 64, time.time() - 1)  # type: ignore[arg-type]
    assert not pair_search.search_pair(late).complete


@pytest.mark.slow
def test_pairs_are_searched_in_processes(tmp_path: Path) -> None:
    grown = with_prototypes(METALS, [PAIR], search(tmp_path))
    assert grown.gaps(PAIR) == []
    assert len(store.read_frame(tmp_path / "prototypes.parquet")) > 10


def test_without_a_budget_nothing_is_searched_and_the_gap_stays(tmp_path: Path) -> None:
    grown = with_prototypes(METALS, [PAIR], search(tmp_path, core_hours=0.0))
    assert grown.gaps(PAIR) == ["Au-Cu"]
    assert not (tmp_path / "prototypes.parquet").exists()


def test_a_pair_whose_prototypes_all_failed_stays_unknown(
    few: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(competing, "search_pair", lambda _: PairResult())
    grown = with_prototypes(METALS, [PAIR], search(tmp_path))
    assert grown.gaps(PAIR) == ["Au-Cu"]
    assert not (tmp_path / "prototypes.parquet").exists()


def test_of_each_composition_the_best_three_are_relaxed() -> None:
    crystals = [each for each in decorated((29, 79)) if composition(each[1].numbers) == {"Cu": 1, "Au": 1}]
    energies = [0.01 * number for number in range(len(crystals))]
    energies[0], energies[1] = 5.0, math.nan
    candidates = [(name, system, energy) for (name, system), energy in zip(crystals, energies, strict=True)]
    elements = {"Cu": 0.0, "Au": 0.0}
    assert [system.system_id for system in best(candidates, elements)] == [
        crystals[2][1].system_id,
        *(crystals[i][1].system_id for i in (4, 8)),
    ]
    far = [(name, system, 0.4) for name, system in crystals]
    assert best(far, elements) == []
    twins = [(name, system, 0.0) for name, system in crystals]
    assert len(best(twins, elements)) == 1, "one crystal under many names is relaxed once"


@pytest.mark.parametrize("other", [(("Au", 1), ("Cu", 3)), (("Au", 3), ("Cu", 1))])
def test_what_is_far_above_the_hull_of_the_pair_is_not_relaxed(other: tuple[tuple[str, int], ...]) -> None:
    """CuAu at -1 eV/atom: its hull is at -0.5 where a quarter, or three quarters, are gold."""
    by_formula = {tuple(sorted(composition(each[1].numbers).items())): each for each in decorated((29, 79))}
    cuau, second = by_formula[("Au", 1), ("Cu", 1)], by_formula[other]
    elements = {"Cu": 0.0, "Au": 0.0}
    for energy, relaxed in ((-0.3, True), (-0.1, False)):
        starts = best([(*cuau, -1.0), (*second, energy)], elements)
        assert (second[1].system_id in {system.system_id for system in starts}) is relaxed


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


def test_the_share_of_pairs_that_prototypes_complete_is_that_of_the_crystals() -> None:
    """Three crystals lack Au-Cu, one of them two more pairs: 3 of 5 gaps are filled, and two crystals lack nothing."""
    grown = replace(METALS, completed=frozenset({"Au-Cu"}))
    said = coverage(METALS, grown, [PAIR, PAIR, PAIR | {"Pt"}, frozenset({"Pt"})])
    assert said == "60.0 % of the pairs that the crystals lack are completed; 3 of 4 crystals lack no pair, 1 before"


def test_ternary_prototypes_hold_the_common_types_in_all_their_orders() -> None:
    library = {each.name: each for each in prototypes.prototypes(3)}
    orders = {name: len(each.orders) for name, each in library.items()}
    assert orders["ABC_cF12_216_b_c_a"] == 3  # half-Heusler: one element in the middle, the other two alike
    assert orders["AB3C_cP5_221_a_c_b"] == 6  # perovskite: A and B have different places
    assert orders["AB2C_cF16_225_a_c_b"] == 3  # Heusler
    assert orders["A2BC4_cF56_227_d_a_e"] == 6  # spinel
    assert {"ABC2_tI16_122_a_b_d", "ABC2_hP8_194_d_a_f"} <= set(library)  # chalcopyrite, delafossite
    crystals = [system for name, system in decorated((20, 22, 8)) if name.startswith("AB3C_cP5_221_a_c_b/")]
    formulas = {tuple(sorted(composition(system.numbers).items())) for system in crystals}
    assert (("Ca", 1), ("O", 3), ("Ti", 1)) in formulas
    assert len(formulas) == 3


def test_three_elements_are_searched_after_their_pairs(
    few: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The judge finds what the search kept, and what is far above the compounds of the pairs is not relaxed."""
    system = PAIR | {"Pt"}
    binary = prototypes.prototypes()
    heusler = tuple(each for each in LIBRARY_3 if each.name == "ABC_cF12_216_b_c_a")
    monkeypatch.setattr(prototypes, "prototypes", lambda n=2: binary if n == 2 else heusler)
    tasks: list[PairTask] = []

    def kept(task: PairTask) -> PairResult:
        tasks.append(task)
        return pair_search.search_pair(task)

    monkeypatch.setattr(competing, "search_pair", kept)
    plain = with_prototypes(METALS, [system], search(tmp_path))
    assert {task.pair for task in tasks} == {"Au-Cu", "Au-Pt", "Cu-Pt"}
    assert not any(task.compounds for task in tasks)
    assert frozenset(system) not in plain.entries
    tasks.clear()
    grown = with_prototypes(METALS, [system], replace(search(tmp_path), ternaries=True))
    assert [task.pair for task in tasks] == ["Au-Cu-Pt"]
    assert len(tasks[0].compounds) == len(plain.within(system)) - 3
    assert "Au-Cu-Pt" in grown.completed
    same = with_finished(METALS, [system], Chosen("emt"), 0.05, tmp_path / "prototypes.parquet", ternaries=True)
    counts = {"Au": 1.0, "Cu": 1.0, "Pt": 1.0}
    assert same.energy_at(counts) == pytest.approx(grown.energy_at(counts))

    (name, crystal), *_ = decorated((29, 79, 78))
    elements = {"Cu": 0.0, "Au": 0.0, "Pt": 0.0}
    low = ReferenceEntry({"Cu": 1.0, "Au": 1.0, "Pt": 1.0}, -1.0)
    assert best([(name, crystal, -0.5)], elements) == [crystal]
    assert best([(name, crystal, -0.5)], elements, [low]) == []


def test_what_is_left_of_the_budget_goes_to_three_elements() -> None:
    whole = replace(search(Path()), core_hours=1.0, wall_s=30.0)
    rest = competing._rest(whole, 12.0)
    assert rest.wall_s == 18.0
    assert rest.core_hours == pytest.approx(1.0 - 12 / 3600)
    assert competing._rest(whole, 99.0).wall_s == 0.0
