"""The page of rounds: what each kept, rates of rounds and controls, and the origin of every kept structure."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from adit.cli import main
from tests.unit.rounds.test_keep import keep, salt, write_run

RATES = {0: 0.3, 1: 0.5}


@pytest.fixture
def loop(tmp_path: Path) -> Path:
    """Round 0, round 1 and its control; what the rounds kept is in ``kept/``."""
    (tmp_path / "kept").mkdir()
    runs = {
        "round-0": [salt("crystal-0-0"), salt("crystal-0-1", "K", 3.9)],
        "round-1": [salt("crystal-1-0", "Rb", 4.1), salt("crystal-1-1")],
        "control-1": [salt("crystal-1-0")],
    }
    for name, systems in runs.items():
        run = write_run(tmp_path / name, systems[0].kind, systems, n_elements=[2] * len(systems))
        rate = 0.2 if name == "control-1" else RATES[int(name[-1])]
        record = {"kind": "crystal", "population": "samples", "protocol": "adit", "metric": "overall_validity"}
        numbers = {"value": rate, "low": rate - 0.1, "high": rate + 0.1, "numerator": 1, "denominator": 2}
        judged = {"protocol": "strict", "metric": "sun_by_both", "value": 0.1, "low": 0.0, "high": 0.2}
        (run / "scores/summary.json").write_text(json.dumps([record | numbers, record | numbers | judged]))
        if name.startswith("round"):
            earlier = ["--earlier", f"{tmp_path}/round-0.arrow"] if name[-1] == "1" else []
            assert keep(run, systems[0].kind, *earlier) == 0
            for suffix in (".arrow", ".decisions.parquet"):
                (tmp_path / f"{name}{suffix}").rename(tmp_path / f"kept/crystal-{name[-1]}{suffix}")
            (tmp_path / f"{name}.arrow").symlink_to(tmp_path / f"kept/crystal-{name[-1]}.arrow")
    return tmp_path


def rounds(loop: Path, *kept: str) -> int:
    runs = [str(loop / name) for name in ("round-0", "round-1", "control-1")]
    paths = [str(loop / "kept" / name) for name in kept]
    return main(["stage", "rounds", "--rounds", *runs, "--kept", *paths, "--out", str(loop / "comparison")])


def test_a_round_shows_what_it_kept_and_not_what_earlier_ones_did(loop: Path) -> None:
    assert rounds(loop, "crystal-0.arrow", "crystal-1.arrow") == 0
    table = pd.read_csv(loop / "comparison/lineage.csv")
    assert table[["round", "sample", "formula", "weights", "e_above_hull"]].to_dict("records") == [
        {"round": 0, "sample": "crystal-0-0", "formula": "ClNa", "weights": "abc", "e_above_hull": 0.0312},
        {"round": 0, "sample": "crystal-0-1", "formula": "ClK", "weights": "abc", "e_above_hull": 0.0312},
        {"round": 1, "sample": "crystal-1-0", "formula": "ClRb", "weights": "abc", "e_above_hull": 0.0312},
    ]
    page = (loop / "comparison/index.html").read_text()
    assert "New in round 0: 2 crystals" in page
    assert "New in round 1: 1 crystal<" in page
    assert "2 structures, 2 formulas, 2 sets of elements, 3 elements" in page
    assert "1 not new: kept in an earlier round" in page


def test_round_0_is_the_start_of_rounds_and_controls(loop: Path) -> None:
    assert rounds(loop, "crystal-0.arrow", "crystal-1.arrow") == 0
    table = pd.read_csv(loop / "comparison/figures/rounds-crystal.csv")
    assert set(table["metric"]) == {"overall_validity", "sun_by_both"}
    own = table[table["metric"] == "overall_validity"]
    rates = {(row["round"], row["control"]): row["value"] for row in own.to_dict("records")}
    assert rates == {(0, False): 0.3, (0, True): 0.3, (1, False): 0.5, (1, True): 0.2}


def test_other_files_are_one_line(loop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (loop / "kept/mine.arrow").write_bytes((loop / "kept/crystal-0.arrow").read_bytes())
    assert rounds(loop, "mine.arrow") == 3
    assert "is not a file of kept structures: expected <kind>-<round>.arrow" in capfd.readouterr().err
    (loop / "kept/crystal-7.arrow").write_bytes((loop / "round-0/samples/crystal/0.arrow").read_bytes())
    assert rounds(loop, "crystal-7.arrow") == 3
    assert "structure without its run and sample" in capfd.readouterr().err
    assert not (loop / "comparison").exists()
