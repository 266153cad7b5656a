"""The README's plain ``snakemake --cores …`` continues after a kill at any instant, and ends with the same bytes."""

from __future__ import annotations

import math
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
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
    "select={max_structures: 1}",
    "score={controls: 2}",
    "report={title: Tiny run, gallery: 2, dossiers: 0}",
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


STEPS = re.compile(r"(\d+) of \d+ steps")
"""What Snakemake says after every job."""

TOTAL = re.compile(r"^total +(\d+)$", re.MULTILINE)
"""What it says before the first one: how many there are."""

LIMIT_S = 1200
"""No run takes so long, s."""


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Start the run of a folder; what it says goes to a file."""
    with (folder / "said.log").open("w") as said:
        return subprocess.Popen(command(folder), env=environment(), stdout=said, stderr=said, start_new_session=True)


def said(folder: Path) -> str:
    return (folder / "said.log").read_text(errors="replace")


def jobs(folder: Path) -> int:
    """Return how many jobs of the current run are done."""
    return max(map(int, STEPS.findall(said(folder))), default=0)


def run(folder: Path) -> list[float]:
    """Run to the end and return when each job was done, s."""
    started, times = time.monotonic(), []
    process = start(folder)
    while process.poll() is None:
        assert time.monotonic() < started + LIMIT_S, said(folder)[-4000:]
        times += [time.monotonic() - started] * (jobs(folder) - len(times))
        time.sleep(0.1)
    assert process.returncode == 0, said(folder)[-4000:]
    return [*times, *[time.monotonic() - started] * (jobs(folder) - len(times))]


@dataclass(frozen=True)
class Instant:
    """An instant of a run.

    Attributes:
        done: jobs that are done, in this run and in those that were killed before.
        later_s: time since the last of them, or since the first job begins, s.
    """

    done: int
    later_s: float


def kill_at(folder: Path, instant: Instant, total: int, *, everything: bool) -> bool:
    """Run, and kill Snakemake, or it and all that it started, at an instant of a run of ``total`` jobs.

    A job may take less time than in the undisturbed run: the kill comes at the latest when that job is done.

    Returns:
        Whether the run was killed: its last job may have ended before.
    """
    process, started, due = start(folder), time.monotonic(), math.inf
    while process.poll() is None:
        planned = TOTAL.search(said(folder))
        done = total - int(planned[1]) + jobs(folder) if planned else 0
        if planned and due == math.inf and done >= instant.done:
            due = time.monotonic() + instant.later_s
        if time.monotonic() >= due or done > instant.done:
            (os.killpg if everything else os.kill)(process.pid, signal.SIGKILL)
            process.wait()
            return True
        assert time.monotonic() < started + LIMIT_S, said(folder)[-4000:]
        time.sleep(0.05)
    assert process.returncode == 0, said(folder)[-4000:]
    return False


def differences(undisturbed: Path, killed: Path) -> list[str]:
    """Return the differences between the results, but for times.

    A DFT relaxation that was cut off continues from its last geometry, and says so: its numbers are then others, and so
    are those that are computed from them.
    """
    ignored = IGNORED | {"attempts", "warnings", "seconds_per_sample"}
    restarted = any("continued from" in path.read_text() for path in killed.glob("dft/*/result.json"))
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
    assert "IncompleteFilesException" not in said(folder)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    """Return the folder of a run that nobody disturbs, and when each of its jobs was done, s."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return folder, run(folder)


def killed(folder: Path, kills: int, times: list[float], seed: int) -> None:
    """Kill a run at random instants, and finish it with the same command.

    An instant is drawn from the time of the undisturbed run, and found again as the number of jobs that were done then
    and the time since the last of them: however busy the machine is, every kill hits a run that works.
    """
    random_numbers = random.Random(seed)
    hits = 0
    for number, seconds in enumerate(sorted(random_numbers.uniform(0, times[-2]) for _ in range(kills))):
        done = sum(each <= seconds for each in times)
        instant = Instant(done, seconds - (times[done - 1] if done else 0.0))
        hits += kill_at(folder, instant, len(times), everything=number % 2 == 1)
    assert hits >= kills - 1, f"{hits} of {kills} kills before the end of the run"
    run(folder)


@pytest.mark.slow
def test_a_run_goes_on_after_three_kills(tmp_path: Path, undisturbed: tuple[Path, list[float]]) -> None:
    expected, times = undisturbed
    killed(tmp_path, 3, times, seed=1)
    assert_whole(tmp_path, expected)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_run_goes_on_after_kills_at_random_instants(
    tmp_path: Path, undisturbed: tuple[Path, list[float]], seed: int
) -> None:
    """Twenty instants, in four runs."""
    expected, times = undisturbed
    killed(tmp_path, 5, times, seed=100 + seed)
    assert_whole(tmp_path, expected)
