"""The README's plain ``snakemake --cores …`` continues after a kill at any instant, and ends with the same bytes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from adit.outputs.manifest import State, state_of
from benchmarks.compare_runs import IGNORED, compare

ROOT = Path(__file__).parents[2]
TINY = Path(__file__).parent / "tiny.yaml"
pytestmark = pytest.mark.workflow

TARGETS = ("all", "bundle")
SMALLER = (
    "train={vae: {max_steps: 60, batch_size: 16, lr: 2.0e-3, val_every: 30, checkpoint_minutes: 0.01, precision: fp32},"
    " dit: {max_steps: 40, batch_size: 16, lr: 2.0e-3, val_every: 20, checkpoint_minutes: 0.01, ema_decay: 0.9,"
    " center_noise: false, precision: fp32}}",
    "sample={crystal: 4, molecule: 2, shards: 1, steps: 4, guidance: 1.0}",
)
"""Less of what one kill more or less does not change."""


def command(folder: Path) -> list[str]:
    """Return the README's command, with nothing else than where the workflow is and where its results go."""
    place = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    return [
        *(sys.executable, "-m", "snakemake", *TARGETS, "--cores", "2", *place, "--configfile", str(TINY)),
        *("--config", *SMALLER),
    ]


def environment() -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path}


def run(folder: Path) -> float:
    """Run to the end and return how long it took, s."""
    started = time.monotonic()
    done = subprocess.run(command(folder), env=environment(), capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return time.monotonic() - started


def kill_after(folder: Path, seconds: float, *, everything: bool) -> bool:
    """Run for some seconds and kill Snakemake, or it and all that it started; return whether it was still running."""
    with (folder / "killed.log").open("a") as log:
        process = subprocess.Popen(command(folder), env=environment(), stdout=log, stderr=log, start_new_session=True)
        try:
            code = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            (os.killpg if everything else os.kill)(process.pid, signal.SIGKILL)
            process.wait()
            return True
        assert code == 0, (folder / "killed.log").read_text()[-4000:]
        return False


def differences(undisturbed: Path, killed: Path) -> list[str]:
    """Return the differences between the results, but for times.

    A DFT relaxation that was cut off continues from its last geometry, and says so: its numbers are then others, and so
    are those that are computed from them.
    """
    ignored = IGNORED | {"attempts", "warnings", "seconds_per_sample"}
    restarted = any("went on from" in path.read_text() for path in killed.glob("dft/*/result.json"))
    rests_on_dft = ("dft/", "scores/crystal", "hull/dft", "report/tables", "scores/summary", "scores/funnel")
    lines = compare(undisturbed, killed, ignored)
    return [line for line in lines if not (restarted and line.startswith(rests_on_dft))]


def assert_whole(folder: Path, undisturbed: Path) -> None:
    """Check that a run is as one that nobody disturbed, and that nothing half-made lies about."""
    results = folder / "results/tiny"
    assert differences(undisturbed / "results/tiny", results) == []
    assert not list(results.rglob("*.part"))
    assert not [path for path in results.rglob("new-*") if path.parent.name == ".adit"]
    for name in ("scores/summary.json", "report/index.html", "weights/bundle.json", "vae/model.safetensors"):
        assert state_of(results / name) is State.OWN
    assert "IncompleteFilesException" not in (folder / "killed.log").read_text()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """Return what a run that nobody disturbs ends with, and how long it takes, s."""
    folder = tmp_path_factory.mktemp("undisturbed")
    seconds = run(folder)
    return folder, seconds


def killed(folder: Path, kills: int, seconds: float, seed: int) -> None:
    """Kill a run at random instants, and finish it with the same command."""
    instants = random.Random(seed)
    for number in range(kills):
        # Snakemake itself starts in some seconds; what is left of the run gets shorter with every kill.
        if not kill_after(folder, instants.uniform(3, 3 + seconds / 2), everything=number % 2 == 1):
            break
    run(folder)


@pytest.mark.slow  # three runs of the workflow; has not been timed on a quiet machine
def test_a_run_goes_on_after_three_kills(tmp_path: Path, undisturbed: tuple[Path, float]) -> None:
    expected, seconds = undisturbed
    killed(tmp_path, 3, seconds, seed=1)
    assert_whole(tmp_path, expected)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(7))
def test_a_run_goes_on_after_kills_at_random_instants(
    tmp_path: Path, undisturbed: tuple[Path, float], seed: int
) -> None:
    """Twenty-one instants in seven runs."""
    expected, seconds = undisturbed
    killed(tmp_path, 3, seconds, seed=100 + seed)
    assert_whole(tmp_path, expected)
