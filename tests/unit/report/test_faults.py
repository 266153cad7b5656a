"""Odd runs: no rows, surrogate energies, missing and repeated values, files of the wrong shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from markupsafe import Markup

from adit import store
from adit.columns import energies_name
from adit.errors import DataError
from adit.report.candidates import data, gallery
from adit.report.candidates.data import ordered
from adit.report.candidates.fields import fields, presets
from adit.report.compare.runs import compare_runs
from adit.report.figures import charts as figures
from adit.report.page import build
from adit.report.paper import convergence
from adit.report.paper import tables as paper_tables
from adit.report.run.inputs import load_run, with_plain_energies
from adit.report.words import formats, outcome
from tests.unit.report.test_page import CHGNET, rate, salt, write_page, write_run

SURROGATE = energies_name("", "chgnet")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave figures out: the pages are looked at."""
    monkeypatch.setattr(build, "save_drawing", lambda drawing, folder: Markup("<svg></svg>"))


def change(run: Path, kind: str, **columns: Any) -> pd.DataFrame:
    """Write other values into the scores of a run and return them."""
    path = run / f"scores/{kind}.parquet"
    frame = store.read_frame(path).assign(**columns)
    store.write_frame(path, frame)
    return frame


def as_surrogate(run: Path) -> Path:
    """Make the energies of a run those of CHGNet on a hull of DFT energies."""
    path = run / "scores/crystal.parquet"
    frame = store.read_frame(path).rename(columns={"e_above_hull": f"{SURROGATE}e_above_hull"})
    flags = {f"{SURROGATE}{name}_adit": [False, True, False] for name in ("stable", "metastable", "sun", "msun")}
    store.write_frame(path, frame.assign(**flags))
    hull = pd.DataFrame({"energy_tag": [CHGNET], "hull_tag": ["vasp/PBE(+U)/MP2020"], "surrogate": [True]})
    store.write_frame(run / "hull/hull.parquet", hull)
    return run


@pytest.mark.parametrize("kind", ["crystal", "molecule"])
def test_a_table_without_rows_makes_a_page(tmp_path: Path, kind: str) -> None:
    run = write_run(tmp_path)
    path = run / f"scores/{kind}.parquet"
    store.write_frame(path, store.read_frame(path).head(0))
    page = write_page(run)
    assert f"No {kind} to show." in page
    assert f"No row of {kind}s in this run." in page
    assert f"data/{kind}.js" not in page


@pytest.mark.parametrize(
    "columns",
    [
        {"system_id": "crystal-0-0"},
        {"e_above_hull": [np.inf, -np.inf, np.nan]},
        {"e_above_hull": "low"},
        {"overall_validity": pd.array([None, True, None], dtype="boolean")},
        {"more": [[1, 2]] * 3},
    ],
    ids=["ids that repeat", "infinite", "text", "unknown", "lists"],
)
def test_odd_values_make_a_page(tmp_path: Path, columns: dict[str, Any]) -> None:
    run = write_run(tmp_path)
    change(run, "crystal", **columns)
    assert "Run manifest" in write_page(run)


def test_an_energy_that_is_no_number_is_missing() -> None:
    frame = with_plain_energies(pd.DataFrame({f"{SURROGATE}e_above_hull": [np.inf, 0.5], "n_atoms": [1, 2]}))
    assert frame["e_above_hull"].isna().tolist() == [True, False]
    assert with_plain_energies(pd.DataFrame({"e_above_hull": ["x", "1"]}))["e_above_hull"].tolist()[1] == 1.0


def test_statistics_of_the_wrong_shape_are_named(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    store.write_json(run / "data/b.stats.json", {"dataset": "b", "n_systems": [3], "elements": "Na", "n_rows": "x"})
    page = write_page(run)
    assert "data/b.stats.json: n_systems is not a table" in page
    assert "data/b.stats.json: elements is not a table" in page
    assert "data/b.stats.json: n_rows is not a number" in page


def test_scores_of_the_wrong_shape_are_named(tmp_path: Path) -> None:
    store.write_json(tmp_path / "scores/summary.json", {"value": 1})
    read = load_run(tmp_path, "{}")
    assert (read.summary, read.problems) == ([], ["scores/summary.json: is not a list of records"])


def test_a_broken_file_is_named_once(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    (run / "dft/0.arrow").write_bytes(b"")
    write_page(run)
    (problem,) = store.read_json(run / "report/manifest.json")["problems"]
    assert problem.startswith("dft/0.arrow")


def test_surrogates_are_named_wherever_they_stand(tmp_path: Path) -> None:
    run = as_surrogate(write_run(tmp_path))
    change(run, "crystal", relax_status="converged", overall_validity=True)
    steps = [{"kind": "crystal", "step": step, "count": count} for step, count in (("asked", 3), ("stable", 1))]
    store.write_json(run / "scores/funnel.json", steps)
    read = load_run(run, "{}")
    assert "1 is below the hull (CHGNet surrogate)" in outcome.sentence(read)
    (small,) = [note for label, _, note in outcome.tiles(read) if label == "lowest E above hull"]
    assert "CHGNet surrogate" in small


def test_surrogate_flags_have_columns_and_filters(tmp_path: Path) -> None:
    frame = ordered("crystal", load_run(as_surrogate(write_run(tmp_path)), "{}").scores["crystal"])
    columns = fields("crystal", frame)
    shown = {field.name: field.title for field in columns if field.shown}
    assert {shown[f"{SURROGATE}{name}_adit"] for name in ("stable", "metastable", "sun")} == {
        "stable*",
        "meta*",
        "S.U.N.*",
    }
    assert {"S.U.N.*", "metastable*", "below the hull*"} <= {title for title, _ in presets("crystal", columns)}


def test_rates_against_samples_follow_surrogates_by_their_names() -> None:
    frame = pd.DataFrame({"overall_validity": [True] * 12, f"{SURROGATE}sun_adit": [True, False] * 6})
    rates = convergence.running_rates("crystal", frame)
    assert set(rates["metric"]) == {"overall_validity", f"{SURROGATE}sun_adit"}
    drawn = convergence.convergence("crystal", rates).figure.axes[0].get_legend_handles_labels()[1]
    assert drawn == ["overall validity", "S.U.N. (CHGNet surrogate)"]


@pytest.mark.parametrize("prefix", ["", SURROGATE])
def test_a_table_of_the_paper_says_whose_stabilities(prefix: str) -> None:
    table = next(one for one in paper_tables.TABLES if one.name == "table-1")
    frame = paper_tables.build(table, [rate("crystal", "samples", f"{prefix}stable", "adit", 1)], None)
    assert frame is not None
    assert ("CHGNet surrogates, not DFT" in paper_tables.cells(table, frame)["note"]) == bool(prefix)
    assert ("energies" in frame) == bool(prefix)


def test_validity_is_called_strict_where_it_is() -> None:
    records = [rate("molecule", "samples", "validity", protocol, 1) for protocol in ("strict", "edm")]
    axes = figures.rates("molecule", records).figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["validity · strict", "validity · edm"]
    assert formats.metric("validity", "strict") == "validity (strict)"


def test_the_best_candidate_is_valid_and_a_compound(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    names = [f"crystal-0-{k}" for k in range(3)]
    store.write_systems(run / "samples/crystal/0.arrow", [salt(name) for name in names])
    change(
        run,
        "crystal",
        e_above_hull=[-0.5, -0.3, 0.2],
        overall_validity=[False, True, True],
        n_elements=[2, 1, 2],
        relax_status="converged",
    )
    read = load_run(run, "{}")
    assert [card.system_id for card in gallery.crystals(read, 3)] == ["crystal-0-2", "crystal-0-1", "crystal-0-0"]
    assert outcome.best_energy(read) == 0.2


def test_a_run_is_not_compared_with_itself(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    with pytest.raises(DataError, match="given twice"):
        compare_runs([run, tmp_path / "run/../run"], tmp_path / "out")


@pytest.mark.parametrize(
    ("tag", "setting", "label"),
    [
        ("sevennet-l3i5/PBE(+U)/MP2020", "chgnet", "SevenNet"),
        ("emt-ase/EMT/none", "chgnet", "emt"),
        ("", "mace", "MACE"),
        ("", "", "relaxed"),
    ],
)
def test_relaxed_crystals_have_the_name_of_what_relaxed_them(
    tmp_path: Path, tag: str, setting: str, label: str
) -> None:
    run = write_run(tmp_path)
    (run / "hull/hull.parquet").unlink()
    if tag:
        store.write_frame(run / "relaxed/crystal/0.parquet", pd.DataFrame({"system_id": ["x"], "energy_tag": [tag]}))
    config = f'{{"relax": {{"engine": "{setting}"}}}}' if setting else "{}"
    data.write(load_run(run, config), "crystal", tmp_path / "out")
    structures = (tmp_path / "out/crystal-0.js").read_text()
    assert f'"{label}"' in structures
    assert ('"CHGNet"' in structures) == (label == "CHGNet")
