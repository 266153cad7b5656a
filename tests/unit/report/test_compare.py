"""Runs beside each other."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from adit import store
from adit.cli import main
from adit.config import Config
from adit.errors import DataError
from adit.report.compare import figures
from adit.report.compare import runs as compare
from adit.report.run.inputs import load_run
from tests.unit.report.test_page import HOSTILE, Tags, rate, write_run

SUMMARY = [rate("crystal", "samples", "overall_validity", "adit", 2)]


def run(folder: Path, low: float, high: float, steps: int, **files: str) -> Path:
    write_run(folder, **files)
    store.write_json(folder / "scores/summary.json", [{**SUMMARY[0], "low": low, "high": high}])
    config = Config.model_validate({"sample": {"steps": steps}}).model_dump(mode="json")
    store.write_json(folder / "report/manifest.json", {"config": config})
    return folder


def test_page_has_a_column_a_run(tmp_path: Path) -> None:
    runs = [run(tmp_path / "a", 0.4, 0.6, 10), run(tmp_path / HOSTILE.replace("/", "|"), 0.7, 0.9, 20)]
    store.write_json(runs[0] / "dit/config.json", {"parameters": 1e6})
    store.write_json(runs[1] / "dit/config.json", {"parameters": 4e6})
    assert main(["compare", *map(str, runs), "--out", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out/index.html").read_text(encoding="utf-8")
    tags = Tags(page)
    assert [attributes.get("src") for tag, attributes in tags.items if tag == "script"] == ["assets/page.js"]
    assert not [tag for tag, _ in tags.items if tag == "img"]
    assert HOSTILE.replace("/", "|") in "".join(tags.text)
    table = pd.read_csv(tmp_path / "out/metrics.csv")
    assert table["run"].tolist() == ["a", HOSTILE.replace("/", "|")]
    for name in ("compare-rates-crystal", "compare-hull", "compare-scaling"):
        assert (tmp_path / f"out/figures/{name}.svg").is_file(), name
    for link in (v for _, attributes in tags.items for k, v in attributes.items() if k == "href" and v):
        assert link.startswith("#") or (tmp_path / "out" / link).is_file(), link


def test_losses_of_training_stand_beside_each_other(tmp_path: Path) -> None:
    rows = "step,split,loss,seconds\n1,train,2.0,60\n2,val,9.0,90\n3,train,1.0,120\n"
    runs = [run(tmp_path / name, 0.4, 0.6, 10) for name in ("a", "b")]
    for folder in runs:
        store.write_text(folder / "dit/metrics.csv", rows)
    table = figures.losses([(each.name, each.run) for each in named(runs)], "dit")
    assert table is not None
    assert table["run"].tolist() == ["a", "a", "b", "b"]
    assert table["minutes"].tolist() == [1.0, 2.0, 1.0, 2.0]
    assert table["loss"].tolist() == [2.0, 1.0, 2.0, 1.0]
    assert figures.losses([(each.name, each.run) for each in named(runs)][:1], "dit") is None


@pytest.mark.parametrize(("interval", "mark"), [((0.65, 0.9), "higher"), ((0.1, 0.3), "lower"), ((0.55, 0.9), "")])
def test_numbers_whose_intervals_do_not_meet_are_marked(
    tmp_path: Path, interval: tuple[float, float], mark: str
) -> None:
    runs = [run(tmp_path / "a", 0.4, 0.6, 10), run(tmp_path / "b", *interval, 10)]
    ((first, second),) = (row["cells"] for row in compare.metrics(named(runs)))
    assert (first["mark"], second["mark"]) == ("", mark)


def named(runs: list[Path]) -> list[compare.Named]:
    configs = [(path / "report/manifest.json").read_text() for path in runs]
    texts = [text[text.index('"config":') + 9 : text.rindex("}")] for text in configs]
    return [compare.Named(path.name, load_run(path, text)) for path, text in zip(runs, texts, strict=True)]


def test_only_settings_that_differ_are_listed(tmp_path: Path) -> None:
    runs = [run(tmp_path / "a", 0.4, 0.6, 10), run(tmp_path / "b", 0.4, 0.6, 20)]
    assert compare.settings(named(runs)) == [["sample.steps", "10", "20"]]


def test_energies_of_other_methods_are_not_compared_in_silence(tmp_path: Path) -> None:
    runs = [run(tmp_path / "a", 0.4, 0.6, 10), run(tmp_path / "b", 0.4, 0.6, 10)]
    hull = pd.DataFrame({"energy_tag": ["gpaw/PBE"], "hull_tag": ["gpaw/PBE"], "surrogate": [False]})
    store.write_frame(runs[1] / "hull/hull.parquet", hull)
    texts = compare.notices(named(runs))
    assert any("Stabilities cannot be compared" in text and "b: gpaw/PBE" in text for text in texts)


def test_one_run_is_not_enough(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least two runs"):
        compare.compare_runs([tmp_path], tmp_path / "out")


def test_a_run_without_a_report_is_said_to_have_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    compare.compare_runs([tmp_path / "a", tmp_path / "b"], tmp_path / "out")
    page = (tmp_path / "out/index.html").read_text(encoding="utf-8")
    assert "a has no report/manifest.json" in page
    assert "These runs have no scores" in page


def test_the_samples_of_another_run_are_a_control(tmp_path: Path) -> None:
    own, other = run(tmp_path / "own", 0.4, 0.6, 10), run(tmp_path / "other", 0.1, 0.2, 10)
    rates = [{**SUMMARY[0], "low": 0.1, "high": 0.2}, rate("crystal", "samples", "novelty", "adit", 1)]
    store.write_json(other / "scores/summary.json", [*rates, rate("crystal", "test", "overall_validity", "adit", 2)])
    config = Config.model_validate({"report": {"baseline": str(other)}}).model_dump_json()
    (record,) = load_run(own, config).baseline
    assert (record["population"], record["metric"], record["low"]) == ("baseline", "overall_validity", 0.1)
    main(["stage", "report", "--run", str(own), "--out", str(tmp_path / "page"), "--run-config", config])
    heads = (tmp_path / "page/index.html").read_text(encoding="utf-8")
    assert ">baseline<" in heads
    lost = Config.model_validate({"report": {"baseline": "no/such/run"}}).model_dump_json()
    assert load_run(own, lost).problems == [
        "report.baseline: no/such/run: scores/summary.json is missing, or empty; run its evaluation first"
    ]
