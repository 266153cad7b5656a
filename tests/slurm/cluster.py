"""A real SLURM for the tests, and runs of the workflow on it."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
SCRIPT = HERE / "cluster.sh"
CONFIG = HERE / "small.yaml"
STAGES = (
    "prepare",
    "vae",
    "encode",
    "dit",
    "sample",
    "relax",
    "relax_molecules",
    "judge",
    "judge_hull",
    "reference",
    "dft",
    "dft_molecules",
    "dft_references",
    "checks",
    "score",
)
LONGEST_MIN = 400
"""Longest time limit that a job may ask for, trainings apart, min."""
PATIENCE_S = float(os.environ.get("ADIT_SLURM_PATIENCE", "900"))
"""Longest wait for anything; the tests do not measure time."""

RESULTS = (
    "data/*.arrow",
    "vae/model.safetensors",
    "dit/model.safetensors",
    "samples/*/*.arrow",
    "relaxed/*/*.arrow",
    "scores/summary.json",
)
"""What must be the same however a run was disturbed."""


def sh(*words: str) -> str:
    """Return what a command of SLURM prints."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
    return done.stdout


def jobs() -> dict[str, dict[str, str]]:
    """Return all jobs that SLURM remembers, by number."""
    fields = {"JobID": "id", "State": "state", "Comment": "rule", "tres-per-job": "gpus", "RestartCnt": "restarts"}
    text = sh("squeue", "--states=all", "--noheader", "--Format", ",".join(f"{name}:|" for name in fields))
    rows = (dict(zip(fields.values(), line.split("|"), strict=False)) for line in text.splitlines())
    return {row["id"]: row for row in rows}


def job(number: str) -> dict[str, str]:
    """Return what SLURM says of a job."""
    return dict(word.split("=", 1) for word in sh("scontrol", "-o", "show", "job", number).split() if "=" in word)


def wait_until(what: str, ready: Callable[[], Any]) -> Any:
    """Return what ``ready`` returns as soon as it is true."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        value = ready()
        if value:
            return value
        time.sleep(0.2)
    raise AssertionError(f"waited in vain: {what}")


def node(state: str) -> None:
    """Set the state of the one node: drain, down, resume (where it did not come back by itself)."""
    name, now = sh("sinfo", "--noheader", "--partition", "main", "--format", "%n %t").split()[:2]
    if state == "resume" and not now.startswith(("down", "drain", "drng")):
        return
    reason = [] if state == "resume" else ["reason=test"]
    sh("scontrol", "update", f"nodename={name}", f"state={state}", *reason)


STARTED: list[subprocess.Popen[bytes]] = []
"""Every Snakemake that was started; a test that fails leaves its own running."""


@dataclass
class Run:
    """One run of the workflow in its own folder, with the project's profile.

    Attributes:
        folder: where it runs.
        extra: options of Snakemake, over those of the profile.
        resources: resources of rules, as ``rule:name=value``.
    """

    folder: Path
    extra: list[str] = field(default_factory=list)
    resources: list[str] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    before: set[str] = field(default_factory=set)

    @property
    def results(self) -> Path:
        return self.folder / "results/small"

    @property
    def harm(self) -> Path:
        path = self.folder / "harm"
        path.mkdir(exist_ok=True, parents=True)
        return path

    @property
    def said(self) -> str:
        path = self.folder / "snakemake.log"
        return path.read_text() if path.exists() else ""

    def command(self, *targets: str) -> list[str]:
        resources = ["--set-resources", *self.resources] if self.resources else []
        return [
            *(
                sys.executable,
                str(HERE / "snakemake_asking.py"),
                *targets,
                "--profile",
                "slurm",
                "--directory",
                str(self.folder),
            ),
            *("--set-threads", *[f"{stage}=1" for stage in STAGES], *resources),
            *("--resources", "in_turn=1", f"longest_min={LONGEST_MIN}"),
            *("--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "1"),
            *("--slurm-logdir", str(self.folder / "slurm-logs"), "--slurm-keep-successful-logs"),
            *("--latency-wait", "20", "--quiet", "rules", *self.extra, "--configfile", str(CONFIG)),
        ]

    def start(self, *targets: str) -> None:
        """Start Snakemake in the background."""
        self.before = set(jobs())
        path = f"{HERE / 'shim'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "ADIT_HARM": str(self.harm)}
        with (self.folder / "snakemake.log").open("a") as log:
            self.process = subprocess.Popen(
                self.command(*targets), cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        STARTED.append(self.process)

    def finish(self) -> int:
        """Wait for Snakemake to end; return its exit code."""
        assert self.process is not None
        try:
            return self.process.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGINT)
            raise AssertionError(f"Snakemake does not end:\n{self.said[-3000:]}") from None

    def complete(self, *targets: str) -> None:
        """Run Snakemake to its end, which must be a good one."""
        self.start(*targets)
        self.must_end_well()

    def must_end_well(self) -> None:
        assert self.finish() == 0, f"{self.said[-4000:]}\n{self.logs()}"

    def kill(self) -> None:
        """Kill Snakemake alone, with SIGKILL."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def logs(self) -> str:
        """Return the ends of the jobs' logs, for when a test fails."""
        paths = sorted((self.folder / "slurm-logs").rglob("*.log"), key=lambda path: path.stat().st_mtime)
        return "\n".join(f"== {path.name}\n{path.read_text(errors='replace')[-1500:]}" for path in paths[-3:])

    def submitted(self, rule: str, state: str | None = None) -> list[str]:
        """Return the jobs of a rule that this run submitted, oldest first."""
        return sorted(
            (
                number
                for number, facts in jobs().items()
                if number not in self.before and rule in facts["rule"] and state in (None, facts["state"])
            ),
            key=int,
        )

    def wait_for(self, rule: str, state: str = "RUNNING") -> str:
        """Return the first job of a rule that is in a state, as soon as there is one."""
        hit = wait_until(f"{rule} {state}", lambda: self.submitted(rule, state) or self.ended())
        assert isinstance(hit, list), f"Snakemake ended before:\n{self.said[-3000:]}\n{self.logs()}"
        return str(hit[-1])

    def wait_for_training(self) -> str:
        """Return the job of the autoencoder as soon as its training has left a state."""
        number = self.wait_for("rule_vae")
        states = wait_until(
            "a resume state", lambda: list((self.results / "state/vae").glob("resume-*.pt")) or self.ended()
        )
        assert isinstance(states, list), f"Snakemake ended before:\n{self.said[-3000:]}\n{self.logs()}"
        return number

    def ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def runs(self, verb: str) -> int:
        """Return how often a stage was started."""
        path = self.harm / f"{verb}.runs"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def hashes(self, *patterns: str) -> dict[str, str]:
        """Return the SHA-256 of results by their path in the run."""
        paths = (path for pattern in patterns or RESULTS for path in self.results.glob(pattern))
        return {str(p.relative_to(self.results)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(paths)}

    def times(self, *patterns: str) -> dict[str, int]:
        """Return the times at which results were written."""
        return {
            str(path): path.stat().st_mtime_ns for pattern in patterns for path in sorted(self.results.glob(pattern))
        }

    def copy(self, folder: Path, *without: str) -> Run:
        """Return a copy of the run in which some results are missing (patterns), as if they had not been made yet."""
        shutil.copytree(self.folder, folder, symlinks=True)
        for leftover in (folder / "harm", folder / "slurm-logs", folder / "snakemake.log"):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink(missing_ok=True)
        duplicate = Run(folder)
        for pattern in without:
            for path in duplicate.results.glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        return duplicate


def half_written(run: Run) -> list[str]:
    """Return what a stage left half-written."""
    return [str(path) for path in run.results.rglob("*.part")]
