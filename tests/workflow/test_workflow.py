"""The DAG itself: one run that is killed with SIGKILL in three stages, and what reruns after a changed key."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from adit.convert import from_cif
from tests.browser.driver import Visit, choose, colours, column, saved, sort
from tests.workflow.running import command, environment, planned, snakemake

pytestmark = pytest.mark.workflow


def kill_when(folder: Path, ready: Callable[[], bool], limit_s: float = 400.0) -> None:
    """Start the run, kill Snakemake alone with SIGKILL as soon as ``ready``, and wait for its stages to end."""
    with (folder / "killed.log").open("a") as log:
        process = subprocess.Popen(command(folder), env=environment(), stdout=log, stderr=log)
        started = time.monotonic()
        while not ready():
            text = (folder / "killed.log").read_text()
            assert process.poll() is None, f"the run ended before it could be killed:\n{text[-3000:]}"
            assert time.monotonic() - started < limit_s, text[-3000:]
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    deadline = time.monotonic() + 120  # they look for it every second, where the machine lets them
    while stages_alive(process.pid):
        assert time.monotonic() < deadline, "stages go on although the workflow is gone"
        time.sleep(0.1)


def stages_alive(parent: int) -> list[int]:
    """Return the living processes that were started by the workflow ``parent``."""
    names = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
            zombie = b") Z " in (entry / "stat").read_bytes()
        except OSError:
            continue
        if f"ADIT_PARENT_PID={parent}".encode() in variables and not zombie:
            names.append(int(entry.name))
    return names


def times(run: Path, *patterns: str) -> dict[str, int]:
    """Return the modification times of finished outputs: those whose job Snakemake does not hold for unfinished."""
    folder = run.parents[1]
    marks = (folder / ".snakemake/incomplete").glob("*")
    unfinished = {folder / base64.b64decode(mark.name).decode() for mark in marks}
    outputs = {path for pattern in patterns for path in run.glob(pattern) if path.is_file()} - unfinished
    return {str(path): path.stat().st_mtime_ns for path in sorted(outputs)}


@pytest.fixture(scope="module")
def killed_thrice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, int]]]:
    """A run killed in training, in sampling and in DFT, then completed; with what was finished at each kill."""
    folder = tmp_path_factory.mktemp("run")
    run = folder / "results/tiny"
    finished = {}

    def training() -> bool:
        return any((run / "state/vae").glob("resume-*.pt")) and not (run / "vae/config.json").exists()

    kill_when(folder, training)
    assert not (run / "vae/model.safetensors").exists()
    finished["training"] = times(run, "data/*")

    kill_when(folder, lambda: len(list((run / "samples").glob("*/*.arrow"))) > 1)
    finished["sampling"] = times(run, "data/*", "vae/*", "latents/*", "dit/*", "samples/*/*")

    kill_when(folder, lambda: any((run / "dft").glob("*/result.json")))
    assert not (run / "dft/0.parquet").exists()
    finished["dft"] = times(run, "data/*", "dit/*", "samples/*/*", "relaxed/*/*", "hull/*", "dft/*/result.json")

    done = snakemake(folder)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "report: file://" in done.stderr
    return folder, finished


def test_no_finished_work_is_redone_after_a_kill(killed_thrice: tuple[Path, dict[str, dict[str, int]]]) -> None:
    folder, finished = killed_thrice
    for stage, before in finished.items():
        assert before, stage
        after = {path: Path(path).stat().st_mtime_ns for path in before}
        assert after == before, f"finished before the kill in {stage} and written again"
    assert "resumed at step" in (folder / "killed.log").read_text()


def test_the_run_is_whole(killed_thrice: tuple[Path, dict[str, dict[str, int]]]) -> None:
    run = killed_thrice[0] / "results/tiny"
    assert len(pd.read_parquet(run / "scores/crystal.parquet")) == 12
    assert len(pd.read_parquet(run / "scores/molecule.parquet")) == 4
    summary = json.loads((run / "scores/summary.json").read_text())
    keys = {"kind", "population", "protocol", "metric", "value", "low", "high", "numerator", "denominator"}
    assert all(keys <= set(record) for record in summary)
    samples = [r for r in summary if r["population"] == "samples" and r["metric"] == "structural_validity"]
    assert samples[0]["denominator"] == 12
    statuses = {json.loads(path.read_text())["status"] for path in (run / "dft").glob("*/result.json")}
    assert statuses <= {"converged", "unconverged", "failed", "timeout"}
    page = (run / "report/index.html").read_text()
    assert "GFN1-xTB" in page
    assert "dossiers/index.html" in page
    dossiers = pd.read_csv(run / "dossiers/dossiers.csv")
    assert len(dossiers) == 2
    assert all((run / "dossiers" / name / "index.html").is_file() for name in dossiers["folder"])
    assert not list(run.rglob("*.part"))
    for rule in ("vae", "dit", "relax-crystal-0", "dft-0", "score", "report", "dossiers"):
        assert (run / f"logs/{rule}.log").stat().st_size > 0
        assert (run / f"benchmarks/{rule}.tsv").stat().st_size > 0


def test_the_page_of_the_run_works_in_a_browser_without_a_network(
    killed_thrice: tuple[Path, dict[str, dict[str, int]]], visit: Visit
) -> None:
    from rdkit import Chem

    run = killed_thrice[0] / "results/tiny"
    page = visit.open(run / "report")
    crystals, molecules = (pd.read_parquet(run / f"scores/{kind}.parquet") for kind in ("crystal", "molecule"))
    assert set(column(page, "crystal", "system_id")) == set(crystals["system_id"])
    sort(page, "crystal", "n_atoms")
    assert column(page, "crystal", "n_atoms") == [str(n) for n in sorted(crystals["n_atoms"])]
    few = int(crystals["n_atoms"].median())
    page.locator('#rows-crystal [data-filter="n_atoms"]').fill(f"<={few}")
    assert len(column(page, "crystal", "n_atoms")) == int((crystals["n_atoms"] <= few).sum())
    page.locator('#rows-crystal [data-filter="n_atoms"]').fill("")
    for kind, table, file_format in (("crystal", crystals, "cif"), ("molecule", molecules, "sdf")):
        chosen = str(table.loc[table["n_atoms"] > 0, "system_id"].iloc[0])
        panel = choose(page, kind, chosen)
        assert colours(panel.locator("canvas")) > 100
        _, text = saved(page, panel.locator(f'.files [data-format="{file_format}"]'))
        atoms = int(table.set_index("system_id").loc[chosen, "n_atoms"])
        if file_format == "cif":
            assert len(from_cif(text, chosen)) == atoms
        else:
            assert Chem.MolFromMolBlock(text, sanitize=False, removeHs=False).GetNumAtoms() == atoms
    assert visit.complaints == []


def test_a_second_run_finds_nothing_to_do(killed_thrice: tuple[Path, dict[str, dict[str, int]]]) -> None:
    again = snakemake(killed_thrice[0])
    assert again.returncode == 0
    assert "Nothing to be done" in again.stderr


@pytest.mark.parametrize(
    ("key", "rules"),
    [
        ("score={controls: 3}", {"score", "page", "dossiers", "all"}),
        ("report={title: other}", {"page", "dossiers", "all"}),
        ("select={max_structures: 2}", {"select", "dft", "score", "page", "dossiers", "all"}),
        ("relax={fmax: 0.4}", {"relax", "reference", "hull", "select", "dft", "score", "page", "dossiers", "all"}),
    ],
)
def test_a_changed_key_reruns_what_uses_it_and_no_more(
    killed_thrice: tuple[Path, dict[str, dict[str, int]]], key: str, rules: set[str]
) -> None:
    assert planned(killed_thrice[0], "--config", key) == rules


def test_a_changed_score_key_really_reruns_score_and_report_alone(
    killed_thrice: tuple[Path, dict[str, dict[str, int]]],
) -> None:
    folder = killed_thrice[0]
    run = folder / "results/tiny"
    before = times(run, "data/*", "vae/*", "dit/*", "samples/*/*", "relaxed/*/*", "hull/*", "dft/*")
    scores = times(run, "scores/summary.json", "report/index.html")
    done = snakemake(folder, "evaluate", "--config", "score={controls: 3}")
    assert done.returncode == 0, done.stderr[-3000:]
    assert times(run, "data/*", "vae/*", "dit/*", "samples/*/*", "relaxed/*/*", "hull/*", "dft/*") == before
    after = times(run, "scores/summary.json", "report/index.html")
    assert all(after[path] > scores[path] for path in scores)
