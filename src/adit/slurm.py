"""SLURM jobs of a stage: requeueing after a signal to stop, and jobs that an earlier run left in the queue.

Only jobs of the workflow are requeued: it sets ``ADIT_REQUEUE`` for them. Nothing here fails without SLURM.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from adit.progress import log

REQUEUE_VARIABLE = "ADIT_REQUEUE"
"""Environment variable that the workflow sets in jobs that may be requeued."""

MOST_RESTARTS = 100
"""Largest number of restarts of a job; it fails instead of being requeued again."""

EXECUTOR = "snakemake_executor_plugin_slurm"
"""Module of Snakemake's plugin for SLURM."""

_RUN = re.compile(r"SLURM run ID: (\S+)")

END_S = 60.0
"""Longest time that a requeued job waits until SLURM ends it, s."""


def requeue() -> bool:
    """Requeue this job if it belongs to the workflow and was not cancelled.

    A job that receives a signal before its time limit, or because another job takes its place, continues later
    under the same number; the waiting workflow does not count this as a failure.

    Returns:
        Whether SLURM requeues the job; it then ends this process.
    """
    job = os.environ.get("SLURM_JOB_ID", "")
    if not os.environ.get(REQUEUE_VARIABLE) or not job.isdigit():
        return False
    if os.environ.get("RANK", "0") != "0":
        return True  # the first of several processes requeues the whole job
    facts = job_facts(job)
    restarts = int(facts.get("Restarts", "0") or 0)
    if facts.get("JobState") != "RUNNING" or facts.get("Requeue") != "1" or restarts >= MOST_RESTARTS:
        return False  # cancelled by its owner, or not to be started twice
    taken = _run("scontrol", "requeue", job) is not None
    if taken:
        log.info("job %s is requeued and continues from its saved state", job)
    return taken


def remember_min_job_age() -> None:
    """Let Snakemake's executor plugin read ``MinJobAge`` only once, while SLURM's controller answers.

    It reads it before every query of its jobs. If the controller does not answer, it uses sacct in place of squeue,
    which never answers on a site without accounting, and after the last attempt it no longer knows the jobs.
    """
    plugin = sys.modules.get(EXECUTOR)
    age = plugin.get_min_job_age() if plugin is not None else None
    if age is not None:
        vars(plugin)["get_min_job_age"] = lambda: age


def job_facts(job: str) -> dict[str, str]:
    """Return name → value of the fields of ``scontrol show job``; empty if it does not know the job or is missing."""
    text = _run("scontrol", "--oneliner", "show", "job", job) or ""
    return dict(word.split("=", 1) for word in text.split() if "=" in word)


@contextmanager
def back_to_the_queue() -> Iterator[None]:
    """Within the block, SIGTERM requeues the job before it ends this process."""

    def handle(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        requeue()
        os.kill(os.getpid(), number)

    if not os.environ.get(REQUEUE_VARIABLE):
        yield
        return
    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def wait_for_end() -> None:
    """Wait until SLURM ends this process, as it does with a requeued job."""
    time.sleep(END_S)


def left_behind(logs: Path) -> list[str] | None:
    """Return the numbers of jobs that a killed workflow left in the queue; ``None`` if squeue gives no answer.

    Args:
        logs: Snakemake's folder of logs; each log contains the id of its run, which is the name of its jobs.
    """
    runs = {run for log_file in logs.glob("*.log") for run in _RUN.findall(log_file.read_text(errors="replace"))}
    if not runs or shutil.which("squeue") is None:
        return []
    said = _run("squeue", "--me", "--noheader", "--format", "%A %j")
    if said is None:
        return None
    queued = (line.partition(" ") for line in said.splitlines())
    return sorted({number for number, _, name in queued if name.strip() in runs})


def cancel(jobs: Sequence[str], patience_s: float = 120.0) -> bool:
    """Cancel jobs, wait for their end, and return whether all have ended.

    Args:
        jobs: numbers of the jobs.
        patience_s: longest wait, s.
    """
    _run("scancel", *jobs)
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        left = _run("squeue", "--me", "--noheader", "--format", "%i")
        if left is not None and not set(left.split()) & set(jobs):
            return True
        time.sleep(1.0)
    return False


def _run(*words: str) -> str | None:
    """Return the standard output of a command; ``None`` if it is missing, fails, or takes more than 60 s."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
