"""The five lines at the end of a run."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from adit import store
from adit.cli import main
from adit.config import Config
from adit.report.run.inputs import load_run
from adit.report.words.closing import NAMES, closing
from tests.unit.report.test_page import write_run

GPAW = Config.model_validate({"dft": {"engine": "gpaw", "fallback": "gfn1-xtb", "preset": "demo"}}).model_dump_json()
STEPS = {"asked": 32, "decoded": 32, "valid": 22, "relaxed": 20, "stable": 18, "unique": 17, "novel": 16}


def write_dft(folder: Path, *statuses: str, code: str = "gpaw") -> None:
    rows = [
        {
            "system_id": f"crystal-0-{number}",
            "status": status,
            "reason": "" if status == "converged" else "SCF not converged in any of 2 ways",
            "code": code,
            "code_version": "26.7.0",
            "functional": "PBE",
            "preset": "demo",
            "energy_tag": f"{code}-demo/PBE/none",
        }
        for number, status in enumerate(statuses)
    ]
    for path in (folder / "dft").glob("*/result.json"):
        path.unlink()
    store.write_frame(folder / "dft/0.parquet", pd.DataFrame(rows))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = write_run(tmp_path / "results/demo")
    funnel = [{"kind": "crystal", "step": step, "count": count, "reasons": {}} for step, count in STEPS.items()]
    funnel += [{"kind": "molecule", "step": s, "count": n, "reasons": {}} for s, n in (("asked", 32), ("valid", 14))]
    store.write_json(folder / "scores/funnel.json", funnel)
    store.write_text(folder / "report/index.html", "<p>")
    write_dft(folder, "converged", "converged")
    return folder


def lines(folder: Path, gpaw_missing: Path = Path("nowhere")) -> dict[str, str]:
    printed = closing(load_run(folder, GPAW), gpaw_missing)
    assert len(printed) == 5
    assert not any("\n" in line for line in printed)
    assert tuple(line.split()[0] for line in printed) == NAMES
    return {line.split()[0]: line[9:] for line in printed}


def test_a_run_with_dft(run: Path) -> None:
    printed = lines(run)
    assert printed["made"] == "32 crystals, 22 of them valid; 32 molecules, 14 of them valid"
    assert printed["DFT"] == "2 structures selected, 2 converged"
    assert printed["engine"] == "GPAW 26.7.0, PBE, preset demo"
    assert printed["meaning"].startswith("16 crystals are below the hull with CHGNet energies, are unique and new")
    assert "does not prove stability" in printed["meaning"]
    assert printed["page"] == (run / "report/index.html").resolve().as_uri()


def test_failures_are_told_with_a_reason(run: Path) -> None:
    write_dft(run, "converged", "failed", "timeout", "failed")
    printed = lines(run)
    assert printed["DFT"].startswith(
        "4 structures selected, 1 converged, 2 failed, 1 timeout (e.g. crystal-0-1: SCF not"
    )
    write_dft(run, "failed")
    assert "none converged with DFT" in lines(run)["meaning"]


def test_a_fallback_says_that_it_is_no_dft_and_why(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dft(run, "converged", code="gfn1-xtb")
    monkeypatch.setattr("adit.report.words.closing.find_spec", lambda name: None)
    printed = lines(run)
    assert "not DFT" in printed["DFT"]
    assert "not DFT: GPAW is not installed" in printed["engine"]
    assert "none was checked with DFT" in printed["meaning"]
    reason = run / "gpaw-missing.txt"
    reason.write_text("c/bmgs/zero.c:8: fatal error: algorithm: No such file\n\nsudo apt-get install g++\n")
    printed = lines(run, reason)
    monkeypatch.setattr("adit.report.words.closing.find_spec", lambda name: object())
    assert lines(run)["engine"].endswith(
        "GPAW was not installed then, but is now: make run REDO='dft dft_molecules' repeats these jobs with it"
    )
    assert printed["engine"].endswith("zero.c:8: fatal error: algorithm: No such file; sudo apt-get install g++")


def test_crystals_that_the_hull_cannot_judge_are_counted(run: Path) -> None:
    frame = store.read_frame(run / "scores/crystal.parquet").assign(hull_covers_chemistry=[True, False, False])
    store.write_frame(run / "scores/crystal.parquet", frame)
    meaning = lines(run)["meaning"]
    assert meaning.startswith("16 of 1 crystals with a known hull are below it with CHGNet energies")
    assert "(1 more have an unknown hull)" in meaning


def test_a_run_that_is_not_done_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    printed = lines(folder)
    assert printed["made"] == "no scores yet"
    assert printed["DFT"] == "has not run"
    assert printed["page"].startswith("none: ")


def test_the_verb_prints_them(run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(run.parents[1])
    store.write_text("run.yaml", "name: demo\ndft: {engine: gpaw, preset: demo}\n")
    assert main(["closing", "--config", "run.yaml"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.strip().splitlines()] == list(NAMES)


def test_no_run_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store.write_text("run.yaml", "name: demo\n")
    assert main(["closing", "--config", "run.yaml"]) == 3
