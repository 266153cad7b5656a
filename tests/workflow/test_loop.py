"""The smallest loop that really trains: two rounds of 24 molecules from the shipped weights, killed once; its page."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

from adit import store
from tests.workflow.running import ROOT, environment
from tests.workflow.test_workflow import stages_alive, times

pytestmark = [pytest.mark.workflow, pytest.mark.slow, pytest.mark.timeout(2700)]  # three runs: minutes on free cores


def words(folder: Path) -> list[str]:
    values = yaml.safe_load((Path(__file__).parent / "rounds.yaml").read_text())
    values["model"]["weights"] = str(ROOT / "weights")
    (folder / "rounds.yaml").write_text(yaml.safe_dump(values))
    start = [sys.executable, "-m", "snakemake", "rounds", "--snakefile", str(ROOT / "Snakefile")]
    triggers = ["--rerun-triggers", "mtime", "params", "input", "--rerun-incomplete"]
    return [*start, "--directory", str(folder), "--cores", "2", *triggers, "--configfile", str(folder / "rounds.yaml")]


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """The folder of the loop, killed when round 1 has its weights and completed; with what was finished by then."""
    folder = tmp_path_factory.mktemp("loop")
    run = folder / "results/rounds"
    with (folder / "killed.log").open("w") as log:
        process = subprocess.Popen(words(folder), env=environment(), stdout=log, stderr=log)
        while not (run / "round-1/dit/config.json").exists():
            assert process.poll() is None, (folder / "killed.log").read_text()[-3000:]
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        process.wait()
    while stages_alive(process.pid):
        time.sleep(0.1)
    finished = times(run, "round-0/*/*", "kept/*-0.*")
    done = subprocess.run(words(folder), env=environment(), capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    again = subprocess.run(words(folder), env=environment(), capture_output=True, text=True, timeout=600, check=False)
    assert "Nothing to be done" in again.stderr
    return run, finished


def test_a_finished_round_is_not_computed_again(loop: tuple[Path, dict[str, int]]) -> None:
    run, finished = loop
    assert any("scores" in path for path in finished)
    assert any("molecule-0.arrow" in path for path in finished)
    now = times(run, "round-0/*/*", "kept/*-0.*")
    assert {path: now[path] for path in finished} == finished


def test_each_round_samples_with_weights_of_its_own(loop: tuple[Path, dict[str, int]]) -> None:
    run, _ = loop
    hashes = []
    for number in range(3):
        samples = store.read_systems(run / f"round-{number}/samples/molecule/0.arrow")
        assert len(samples) == 24
        hashes.append(samples.metadata["dit_sha256"])
    assert len(set(hashes)) == 3
    card = store.read_json(run / "round-2/weights/bundle.json")["rounds"]
    assert (card["number"], card["control"], card["potential"]) == (2, False, None), "no crystals"
    assert "rounds" not in store.read_json(run / "round-0/weights/bundle.json")


def test_kept_molecules_have_their_origin(loop: tuple[Path, dict[str, int]]) -> None:
    run, _ = loop
    kept = [store.read_systems(run / f"kept/molecule-{number}.arrow").systems() for number in range(3)]
    assert 0 < len(kept[0]) < len(kept[1]) < len(kept[2]), "each file has those of the earlier rounds too"
    assert {system.info["run"] for system in kept[2]} == {"round-0", "round-1", "round-2"}
    table = pd.read_csv(run / "comparison/lineage.csv")
    assert sorted(table["system_id"]) == sorted(system.system_id for system in kept[2])
    assert set(table.loc[table["round"] == 1, "weights"]) == {
        store.read_systems(run / "round-1/samples/molecule/0.arrow").metadata["dit_sha256"]
    }
    page = (run / "comparison/index.html").read_text()
    for number in range(3):
        assert f"New in round {number}" in page
        assert f"../round-{number}/report/index.html#row=" in page
    assert (run / "comparison/figures/rounds-molecule.svg").is_file()
