"""Selection for DFT."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from adit import store
from adit.config import Config, SelectConfig, SelectStage, parse_as
from adit.errors import ConfigError, DataError
from adit.relax.dft.cost import core_seconds, effort_of, kpoints, valence_electrons
from adit.relax.dft.engines.presets import read_preset
from adit.relax.dft.select import COLUMNS, select
from adit.systems import AtomicSystem, Failure, Kind

PRESETS = Path(__file__).parents[3] / "config" / "dft"


def fcc(name: str, numbers: list[int], a: float, second: float = 0.5) -> AtomicSystem:
    cell = a / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    fractional = np.array([[0.0, 0, 0], [second] * 3])[: len(numbers)]
    return AtomicSystem(name, Kind.CRYSTAL, np.array(numbers), fractional @ cell, cell)


@pytest.fixture
def files(tmp_path: Path) -> tuple[list[Path], Path]:
    """Two shards: rock salt twice, silicon, aluminium, one far above the hull, one unknown, one that failed."""
    shards: list[list[AtomicSystem | Failure]] = [
        [fcc("nacl", [11, 17], 5.69), fcc("si", [14, 14], 5.47, 0.25), Failure("bad", "relax", "refused: overlap")],
        [fcc("nacl2", [17, 11], 5.72), fcc("al", [13], 4.04), fcc("high", [12, 8], 4.2), fcc("unknown", [3], 4.4)],
    ]
    energy = {"nacl": -3.60, "nacl2": -3.66, "si": -5.3, "al": -3.7, "high": -5.0, "unknown": -1.9}
    above = {"nacl": 0.06, "nacl2": 0.0, "si": 0.02, "al": 0.3, "high": 0.9, "unknown": np.nan, "bad": np.nan}
    paths = []
    for number, rows in enumerate(shards):
        path = tmp_path / f"{number}.parquet"
        frame = pd.DataFrame(
            {
                "system_id": [row.system_id for row in rows],
                "status": ["refused" if isinstance(row, Failure) else "converged" for row in rows],
                "energy_per_atom": [energy.get(row.system_id, np.nan) for row in rows],
                "n_atoms": [0 if isinstance(row, Failure) else len(row) for row in rows],
            }
        )
        store.write_frame(path, frame)
        store.write_systems(path.with_suffix(".arrow"), rows)
        paths.append(path)
    hull = pd.DataFrame({"system_id": list(above), "e_above_hull": list(above.values())})
    store.write_frame(tmp_path / "hull.parquet", hull)
    return paths, tmp_path / "hull.parquet"


def judged(folder: Path, status: str = "judged") -> Path:
    """By the judge silicon is higher than rock salt, and aluminium has no hull."""
    table = pd.DataFrame(
        {
            "system_id": ["nacl2", "si", "al", "high"],
            "e_above_hull_difference": [0.01, 0.2, -0.9, -0.85],
            "missing_pairs": ["", "", "Al", ""],
            "judge_status": status,
        }
    )
    store.write_frame(folder / "judge.parquet", table)
    return folder / "judge.parquet"


@pytest.mark.parametrize(
    ("rank_by", "order"),
    [
        ("stability", ["nacl2", "si", "al", "high"]),
        ("agreement", ["nacl2", "si", "high", "al"]),
        ("disagreement", ["high", "si", "nacl2", "al"]),
    ],
)
def test_two_potentials_decide_together_or_where_they_differ(
    rank_by: str, order: list[str], files: tuple[list[Path], Path]
) -> None:
    judge = judged(files[1].parent)
    table = run(files, judge=judge, max_e_above_hull=1.0, rank_by=rank_by, compounds_first=False)
    chosen = table[table["selected"]].sort_values("rank")
    assert list(chosen.index) == order


def test_agreement_is_by_the_higher_of_both(files: tuple[list[Path], Path]) -> None:
    """Silicon is 0.22 eV/atom above the hull by the judge; magnesia, 0.1 by the first, 0.05 lower by the judge."""
    hull = store.read_frame(files[1])
    hull.loc[hull["system_id"] == "high", "e_above_hull"] = 0.1
    store.write_frame(files[1], hull)
    table = run(files, judge=judged(files[1].parent), rank_by="agreement", compounds_first=False)
    ranks = table["rank"]
    assert ranks["nacl2"] < ranks["high"] < ranks["si"]


def test_without_a_judge_the_ranking_is_by_stability(
    files: tuple[list[Path], Path], caplog: pytest.LogCaptureFixture
) -> None:
    plain = run(files)
    caplog.set_level(logging.INFO, logger="adit")
    for judge in (None, judged(files[1].parent, "not judged")):
        assert list(run(files, judge=judge, rank_by="disagreement")["rank"]) == list(plain["rank"])
    assert "nothing was judged; ranked by stability" in caplog.text
    with pytest.raises(ConfigError, match="needs a second potential"):
        parse_as(Config, {"select": {"rank_by": "agreement"}}, "test")


def run(files: tuple[list[Path], Path], judge: Path | None = None, **settings: object) -> pd.DataFrame:
    relaxed, hull = files
    out = hull.parent / "selected.parquet"
    stage = SelectStage(select=SelectConfig(**settings), engine="gpaw", preset="demo")  # type: ignore[arg-type]
    select(stage, relaxed, hull, out, PRESETS, judge)
    table = store.read_frame(out)
    assert tuple(table.columns) == COLUMNS
    return table.set_index("system_id")


def test_one_row_a_sample_and_the_stablest_first(files: tuple[list[Path], Path]) -> None:
    table = run(files)
    assert list(table.index) == ["nacl", "si", "bad", "nacl2", "al", "high", "unknown"]
    assert dict(table.loc[table["selected"], "rank"]) == {"nacl2": 0, "si": 1, "al": 2}  # elements after compounds
    assert (table.loc[~table["selected"], "rank"] == -1).all()
    assert (table.loc[~table["selected"], "reason"] != "").all()
    assert (table.loc[table["selected"], "reason"] == "").all()


def test_of_two_alike_the_lower_in_energy_stays(files: tuple[list[Path], Path]) -> None:
    assert run(files).loc["nacl", "reason"] == "duplicate of nacl2"


def test_limits_give_their_reasons(files: tuple[list[Path], Path]) -> None:
    table = run(files, max_atoms=1)
    assert table.loc["high", "reason"] == "too many atoms"
    assert table.loc["bad", "reason"] == "relaxation refused"
    assert table.loc["unknown", "reason"] == "energy above the hull unknown"
    assert list(table.index[table["selected"]]) == ["al"]
    assert run(files).loc["high", "reason"] == "too far above the hull"


def test_without_a_limit_above_the_hull_the_unknown_go_last(files: tuple[list[Path], Path]) -> None:
    table = run(files, max_e_above_hull=None)
    chosen = table[table["selected"]].sort_values("rank")
    assert list(chosen.index) == ["nacl2", "high", "si", "al", "unknown"]
    table = run(files, max_e_above_hull=None, compounds_first=False)
    assert list(table[table["selected"]].sort_values("rank").index) == ["nacl2", "si", "al", "high", "unknown"]


def test_rank_by_cost_takes_the_cheapest(files: tuple[list[Path], Path]) -> None:
    table = run(files, rank_by="cost", max_structures=2, compounds_first=False)
    chosen = table[table["selected"]].sort_values("rank")
    assert list(chosen["predicted_cost"]) == sorted(chosen["predicted_cost"])
    rest = table[table["reason"] == "beyond select.max_structures"]
    assert len(rest) == 1
    assert rest["predicted_cost"].min() >= chosen["predicted_cost"].max()


def test_zero_structures_may_be_asked_for(files: tuple[list[Path], Path]) -> None:
    assert not run(files, max_structures=0)["selected"].any()


def test_compounds_go_first_however_cheap_elements_are(files: tuple[list[Path], Path]) -> None:
    table = run(files, rank_by="cost", max_structures=1)
    assert list(table.index[table["selected"]]) == ["nacl2"]


def test_a_budget_passes_over_what_does_not_fit(files: tuple[list[Path], Path]) -> None:
    costs = run(files)["predicted_cost"]
    hours = (costs["nacl2"] + costs["al"]) / 3600 * 1.001
    assert costs["si"] > costs["al"]
    table = run(files, budget_core_hours=hours)
    assert dict(table.loc[table["selected"], "rank"]) == {"nacl2": 0, "al": 1}
    assert table.loc["si", "reason"] == "beyond select.budget_core_hours"
    assert table.loc[table["selected"], "predicted_cost"].sum() <= 3600 * hours
    assert not run(files, budget_core_hours=1e-6)["selected"].any()


def test_an_unknown_hull_never_goes_before_a_known_one(files: tuple[list[Path], Path]) -> None:
    """However far below the hull it seems to be; ``nacl2`` was first."""
    frame = store.read_frame(files[1])
    frame["missing_pairs"] = ["Cl-Na" if name == "nacl2" else "" for name in frame["system_id"]]
    frame.loc[frame["system_id"] == "nacl2", "e_above_hull"] = -1.97
    store.write_frame(files[1], frame)
    table = run(files, max_e_above_hull=None)
    chosen = table[table["selected"]].sort_values("rank")
    covered = chosen[chosen["missing_pairs"] != "Cl-Na"]
    assert chosen.loc["nacl2", "rank"] == len(chosen) - 1
    assert covered["e_above_hull"].notna().any()


def test_a_surrogate_keeps_its_name(files: tuple[list[Path], Path], tmp_path: Path) -> None:
    relaxed, hull = files
    frame = store.read_frame(hull).rename(columns={"e_above_hull": "chgnet_surrogate_e_above_hull"})
    store.write_frame(hull, frame)
    stage = SelectStage(select=SelectConfig(), engine="gpaw", preset="demo")
    select(stage, relaxed, hull, tmp_path / "s.parquet", PRESETS)
    table = store.read_frame(tmp_path / "s.parquet").set_index("system_id")
    assert "e_above_hull" not in table
    assert table.loc["nacl", "chgnet_surrogate_e_above_hull"] == pytest.approx(0.06)
    assert list(table.index[table["selected"]]) == ["si", "nacl2", "al"]


def test_a_missing_hull_is_one_line(files: tuple[list[Path], Path]) -> None:
    with pytest.raises(DataError, match="no such file"):
        run((files[0], files[1].with_name("gone.parquet")))


@pytest.mark.parametrize(
    ("symbol", "z", "electrons"),
    [
        ("H", 1, 1),
        ("O", 8, 6),
        ("Na", 11, 1),
        ("Ti", 22, 4),
        ("Zn", 30, 12),
        ("Ga", 31, 3),
        ("Hf", 72, 4),
        ("Pb", 82, 4),
    ],
)
def test_valence_electrons(symbol: str, z: int, electrons: int) -> None:
    assert valence_electrons(z) == electrons


def test_cost_grows_with_the_cell_and_falls_with_symmetry() -> None:
    small = fcc("a", [14, 14], 5.47, 0.25)
    assert small.cell is not None
    double = AtomicSystem(
        "b",
        Kind.CRYSTAL,
        np.tile(small.numbers, 4),
        np.concatenate([small.positions + i * small.cell[0] for i in range(4)]),
        small.cell * np.array([[4], [1], [1]]),
    )
    assert core_seconds(double) > core_seconds(small)
    skewed = AtomicSystem(
        "c", Kind.CRYSTAL, small.numbers, small.positions + np.array([[0, 0, 0], [0.3, 0.1, 0.2]]), small.cell
    )
    assert kpoints(skewed) > kpoints(small)


def test_open_shells_cost_more_than_closed_ones_of_as_many_electrons() -> None:
    """CaO and TiO would cost much alike but for the d electrons; zinc's shell is full."""
    assert core_seconds(fcc("tio", [22, 8], 4.2)) > 2 * core_seconds(fcc("mgo", [12, 8], 4.2))
    assert core_seconds(fcc("zn", [30], 4.2)) < core_seconds(fcc("ni", [28], 4.2))


def test_harder_presets_cost_more() -> None:
    salt = fcc("nacl", [11, 17], 5.69)
    engines = [("gfn1-xtb", "demo"), ("gpaw", "demo"), ("gpaw", "standard"), ("gpaw", "accurate")]
    costs = [core_seconds(salt, effort_of(read_preset(engine, name, PRESETS))) for engine, name in engines]
    assert costs == sorted(costs)
    assert costs[0] * 2 < costs[1] < costs[2] / 4
    assert core_seconds(salt, effort_of(read_preset("vasp", "mp-gga", None))) > costs[1]
