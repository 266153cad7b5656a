"""The paper's tables and figures, the protocol card and the citations of a run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adit import store
from adit.config import POTENTIAL_NAMES, Config
from adit.intervals import wilson
from adit.report.page import citations
from adit.report.page.assets import read_asset
from adit.report.paper import convergence, headline, latents, populations
from adit.report.paper import coverage as paper
from adit.report.paper import tables as paper_tables
from adit.report.run.inputs import load_run
from adit.report.words import protocol
from adit.systems import AtomicSystem, Kind
from tests.unit.report.test_page import HOSTILE, quick, rate, write_page, write_run  # noqa: F401


def crystals(folder: Path) -> None:
    """Write a dataset of crystals with one to three elements, its statistics and its latents."""
    numbers = [[11, 17], [26], [38, 22, 8, 8, 8], [8, 8]]
    systems = [
        AtomicSystem(
            f"c{k}", Kind.CRYSTAL, np.array(z), np.arange(3 * len(z)).reshape(-1, 3) * 0.7, np.eye(3) * 9,
            {"e_above_hull": 0.01 * k, "formation_energy_per_atom": -1.0},
        )
        for k, z in enumerate(numbers)
    ]  # fmt: skip
    store.write_systems(folder / "data/own.arrow", systems, splits=["train", "train", "train", "val"])
    store.write_json(
        folder / "data/own.stats.json", {"dataset": "own", "kind": "crystal", "spacegroups": {"225": 2, "1": 1}}
    )
    random = np.random.default_rng(0)
    means = [(random.normal(size=(len(z), 4)) + 3 * np.array(z)[:, None]).ravel().tolist() for z in numbers]
    table = {"system_id": [s.system_id for s in systems], "split": ["train"] * 3 + ["val"], "mean": means}
    store.write_arrow(folder / "latents/own-0.arrow", pa.table({**table, "logvar": means}))


def test_table_of_the_paper_has_published_rows_and_this_run() -> None:
    summary = [rate("crystal", "samples", "chgnet_surrogate_sun", "adit", 1)]
    frame = paper_tables.build(paper_tables.TABLES[0], summary, None)
    assert frame is not None
    rows = frame.set_index("model")
    assert rows.loc["ADiT joint", "sun"] == 5.3
    assert rows.loc["this run", "sun"] == 25.0
    assert rows.loc["this run", "sun_low"] == 0.0
    assert "ADiT-S joint" not in rows.index, "that is Table 4"


def test_table_4_names_the_size_of_the_denoiser() -> None:
    table = next(t for t in paper_tables.TABLES if t.name == "table-4")
    frame = paper_tables.build(table, [rate("crystal", "samples", "sun", "adit", 1)], 32.4e6)
    assert frame is not None
    assert frame["model"].iloc[-1] == "this run (32M)"
    assert all(name.startswith(("ADiT", "this run")) for name in frame["model"])


def test_a_table_that_the_run_does_not_cover_is_left_out() -> None:
    assert paper_tables.build(paper_tables.TABLES[0], [rate("crystal", "test", "sun", "adit", 1)], None) is None


@given(st.lists(st.booleans(), min_size=1, max_size=300))
def test_running_rates_end_with_the_rate_of_all(flags: list[bool]) -> None:
    last = convergence.running_rates("crystal", pd.DataFrame({"overall_validity": flags})).iloc[-1]
    assert last["n"] == len(flags)
    assert last["value"] == sum(flags) / len(flags)
    low, high = wilson(sum(flags), len(flags), 0.95)
    assert (last["low"], last["high"]) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))


def test_training_crystals_stand_beside_the_samples(tmp_path: Path) -> None:
    crystals(write_run(tmp_path))
    (tmp_path / "data/a.stats.json").unlink()
    run = load_run(tmp_path, "{}")
    run.scores["crystal"]["n_elements"] = [2, 2, 0]
    assert populations.populations(run, "n_elements") == {"samples": [2, 2], "train": [2, 1, 3]}
    assert populations.populations(run, "e_above_hull") == {"samples": [0.05], "train": [0.0, 0.01, 0.02]}
    groups = populations.spacegroups(run)
    assert groups["train"] == {225: 2, 1: 1}
    assert groups["samples"] == {225: 1, 1: 1}, "what was not decoded has none"


def test_components_separate_what_differs(tmp_path: Path) -> None:
    crystals(tmp_path)
    table = latents.principal_components(load_run(tmp_path, "{}"))
    assert table is not None
    assert len(table) == 8, "the training split: validation is too small"
    assert table["element"].tolist() == ["Na", "Cl", "Fe", "Sr", "Ti", "O", "O", "O"]
    assert table.attrs["explained"][0] > 0.9
    order = table.groupby("element")["pc1"].mean().sort_values().index.tolist()
    assert order in (["O", "Na", "Cl", "Ti", "Fe", "Sr"], ["Sr", "Fe", "Ti", "Cl", "Na", "O"])


def test_latents_of_other_data_are_a_problem_to_show(tmp_path: Path) -> None:
    crystals(tmp_path)
    store.write_systems(tmp_path / "data/own.arrow", [])
    run = load_run(tmp_path, "{}")
    assert latents.principal_components(run) is None
    assert any("latents of other data" in problem for problem in run.problems)


def test_figures_of_a_run_with_everything(tmp_path: Path) -> None:
    crystals(write_run(tmp_path))
    points = {"solver": ["euler", "euler"], "grid": "uniform", "steps": [10, 20], "guidance": 1.0, "kind": "crystal"}
    store.write_frame(
        tmp_path / "tune/points.csv", pd.DataFrame({**points, "validity": 0.5, "seconds_per_sample": 1.0})
    )
    drawn: list[str] = []
    figures = paper.figures(load_run(tmp_path, "{}"), lambda drawing: drawn.append(drawing.name) or {})
    assert {"e-above-hull", "spacegroups", "convergence-crystal", "solver-grid-crystal", "speed-crystal"} <= set(drawn)
    assert {"latents-by-kind", "latents-by-element"} <= set(drawn)
    assert len(figures) == len(drawn)


@pytest.mark.usefixtures("quick")
def test_broken_tuning_is_a_problem_to_show(tmp_path: Path) -> None:
    store.write_text(write_run(tmp_path) / "tune/points.csv", "kind,solver\n")
    store.write_text(tmp_path / "ablations/denoisers.csv", "")
    page = write_page(tmp_path)
    assert "ablations/denoisers.csv" in page


def test_ablations_are_tables_5_and_6(tmp_path: Path) -> None:
    frame = pd.DataFrame({"autoencoder": ["joint-d8"], "latent": [8], "qm9 match, %": [97.25], "x: low": [1.0]})
    store.write_frame(write_run(tmp_path) / "ablations/autoencoders.csv", frame)
    (table,) = [t for t in paper.tables(load_run(tmp_path, "{}"), tmp_path / "report/tables") if t["name"] == "table-5"]
    assert table["heads"] == ["autoencoder", "latent", "qm9 match, %"]
    assert table["rows"][0]["cells"] == [("8", ""), ("97.25", "")]


def test_card_tells_what_decides_the_numbers(tmp_path: Path) -> None:
    own = {"molecule": {"skip_guidance": 2.0, "skip_blocks": [5]}}
    config = Config.model_validate({"sample": {"by_kind": own}}).model_dump_json()
    card = {title: dict(rows) for title, rows in protocol.card(load_run(write_run(tmp_path), config))}
    assert card["Sampling"]["requested crystals"] == "3"
    assert card["Sampling"]["molecules apart"] == "skip guidance: 2.0; skip blocks: [5]"
    assert card["Sampling"]["steps T"] == str(Config().sample.steps)
    assert card["Hull"]["energies on it"] == "chgnet-0.3.0/PBE(+U)/MP2020"
    assert ("crystal", "adit", "overall_validity", "too close") in protocol.definitions(
        load_run(tmp_path, config).summary
    )


def test_card_has_what_the_scores_say_of_themselves(tmp_path: Path) -> None:
    held = {"matchers": {"adit": {"ltol": 0.3, "angle_tol": 10}}, "references": {"crystal": {"train": 7}}}
    store.write_json(write_run(tmp_path) / "scores/card.json", held)
    card = {title: dict(rows) for title, rows in protocol.card(load_run(tmp_path, "{}"))}
    assert card["Structure matchers"] == {"adit": "angle tol: 10; ltol: 0.3"}
    assert card["References of the scores"] == {"crystal": "train: 7"}


def test_rates_of_several_choices_have_their_spread() -> None:
    columns = {
        "metric": "chgnet_surrogate_sun",
        "protocol": "adit",
        "seed": [0, 1, 0, 1],
        "samples": [100, 100, 200, 200],
    }
    rates = convergence.seeded_rates(pd.DataFrame({**columns, "value": [0.1, 0.3, 0.2, 0.2]}))
    assert rates is not None
    assert rates["value"].tolist() == pytest.approx([0.2, 0.2])
    assert (rates["high"] - rates["low"]).tolist() == pytest.approx([0.2 + 2 * np.std([0.1, 0.3], ddof=1), 0.0])
    assert convergence.seeded_rates(pd.DataFrame({**columns, "value": 0.1}).head(2)) is None


def test_a_number_that_tells_nothing_says_so() -> None:
    records = [rate("crystal", "samples", "uniqueness", "adit", 2)]
    verdict = {"kind": "crystal", "protocol": "adit", "metric": "uniqueness", "noise": None, "random": False}
    (row,) = headline.headline("crystal", records, [verdict]).rows
    assert "the test set does no better than random atoms" in row[0].note
    (row,) = headline.headline("crystal", records, [{**verdict, "random": True}]).rows
    assert "does no better" not in row[0].note


def test_measures_stand_with_their_interval() -> None:
    record = {"kind": "crystal", "metric": "density", "unit": "g/cm³", "value": 1.5, "low": 1.0, "high": 2.0}
    record |= {"count": 3, "asked": 4, "basis": "against the training split"}
    table = headline.measures([{**record, "population": p} for p in ("samples", "test")], [], "crystal")
    assert table is not None
    assert [head for head, _ in table.heads] == ["measure", "samples", "test"]
    assert (table.rows[0][1].text, table.rows[0][1].note) == ("1.500", "[1.000, 2.000]\n3 of 4")
    assert headline.measures([], [], "crystal") is None


def test_citations_follow_what_was_used(tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path), "{}")
    keys = citations.used(run)
    assert {"Joshi2025ADiT", "Deng2023CHGNet", "Wang2021MP2020", "Mortensen2024GPAW", "RDKit"} <= set(keys)
    assert not {"Kresse1996VASP", "Grimme2017GFN1"} & set(keys)
    assert set(keys) <= set(citations.entries(read_asset("page/methods.bib")))


def test_every_potential_has_a_citation() -> None:
    assert set(citations.POTENTIALS) == set(POTENTIAL_NAMES)
    keys = {key for own in citations.POTENTIALS.values() for key in own}
    assert {*keys, *citations.GFN2} <= set(citations.entries(read_asset("page/methods.bib")))


def test_potentials_are_cited_where_they_were_used(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    relaxed = pd.DataFrame({"system_id": ["crystal-0-0"], "energy_tag": ["sevennet-l3i5/PBE(+U)/MP2020"]})
    store.write_frame(run / "hull/hull.parquet", relaxed)
    config = json.dumps({"relax": {"engine": "sevennet"}, "judge": {"engine": "mace"}, "labels": {"gaps": 0}})
    keys = citations.used(load_run(run, config))
    assert {"Park2024SevenNet", "Larsen2017ASE"} <= set(keys)
    assert not {"Deng2023CHGNet", "Batatia2023MACEMP", "Bannwarth2019GFN2"} & set(keys)
    store.write_frame(run / "hull/judge.parquet", relaxed)
    molecules = store.read_frame(run / "scores/molecule.parquet")
    store.write_frame(run / "scores/molecule.parquet", molecules.assign(xtb_status="converged"))
    assert {"Batatia2023MACEMP", "Bannwarth2019GFN2"} <= set(citations.used(load_run(run, config)))
    store.write_frame(run / "scores/molecule.parquet", molecules.assign(xtb_status="not_sent"))
    assert "Bannwarth2019GFN2" not in citations.used(load_run(run, config))
    labelled = load_run(run, json.dumps({"labels": {"gaps": 100}}))
    assert "Bannwarth2019GFN2" in citations.used(labelled)


def test_bibliography_is_bibtex_that_a_parser_reads(tmp_path: Path) -> None:
    import bibtexparser

    run = write_run(tmp_path)
    entry = "@article{Own2020,\n  title = {Own {Data}}, year = {2020}\n}"
    for name, text in (("b", f"{entry}\n{entry}"), ("c", HOSTILE)):
        stats = {"dataset": name, "kind": "molecule", "citation": text}
        store.write_json(run / f"data/{name}.stats.json", stats)
    bibliography = bibtexparser.loads(citations.bibliography(load_run(run, "{}")))
    keys = [e["ID"] for e in bibliography.entries]
    assert keys.count("Own2020") == 1
    assert len(keys) == len(set(keys)) == 1 + len(citations.used(load_run(run, "{}")))
    assert all(e.get("title") for e in bibliography.entries)


@pytest.mark.usefixtures("quick")
def test_summary_is_for_programs(tmp_path: Path) -> None:
    write_page(write_run(tmp_path))
    summary = json.loads((tmp_path / "report/summary.json").read_text(encoding="utf-8"))
    assert summary["outcome"].startswith("Of 3 requested crystals, 1 is valid.")
    assert summary["funnel"][0]["count"] == 3
    assert {"metric", "low", "high", "numerator", "denominator"} <= set(summary["metrics"][0])
