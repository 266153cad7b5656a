"""Runs of Snakemake in their own folder, and dry runs in a fork of a process that has Snakemake loaded."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
TINY = Path(__file__).parent / "tiny.yaml"
DRY_LIMIT_S = 300.0


def command(folder: Path, *extra: str) -> list[str]:
    snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    triggers = ["--rerun-triggers", "mtime", "params", "input"]
    return [*snakemake, *triggers, "--cores", "2", "--rerun-incomplete", *extra, "--configfile", str(TINY)]


def environment() -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path}


def words(folder: Path, *extra: str) -> list[str]:
    """Return what is given to Snakemake."""
    return command(folder, *extra)[3:]


def snakemake(folder: Path, *extra: str) -> subprocess.CompletedProcess[str]:
    """Run Snakemake with the smallest configuration; a dry run is planned in a fork."""
    if "-n" in extra:
        return dry(words(folder, *extra))
    return subprocess.run(
        command(folder, *extra), env=environment(), capture_output=True, text=True, timeout=600, check=False
    )


def dry(arguments: Sequence[str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Plan a run and return what was said, as its own process would say it.

    Two thirds of a dry run's time are imports: a process that has done them forks for each.

    Args:
        arguments: of Snakemake, with ``-n``.
        cwd: where it is started.
    """
    assert "-n" in arguments
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["snakemake.cli", "tests.workflow.running"])
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("stdout", "stderr")]
        process = context.Process(target=_plan, args=(list(arguments), str(cwd or Path.cwd()), *map(str, paths)))
        process.start()
        process.join(DRY_LIMIT_S)
        if process.is_alive():
            process.kill()
            raise TimeoutError(f"snakemake {' '.join(arguments)}")
        said = [path.read_text(encoding="utf-8") for path in paths]
    return subprocess.CompletedProcess(list(arguments), process.exitcode or 0, *said)


def _plan(arguments: list[str], cwd: str, stdout: str, stderr: str) -> None:
    from snakemake.cli import main

    for number, path in ((1, stdout), (2, stderr)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
    os.chdir(cwd)
    os.environ.update(environment())
    sys.argv = ["snakemake", *arguments]
    try:
        main(arguments)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def jobs(said: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """Return the jobs of each rule from the table of a dry run."""
    assert said.returncode == 0, said.stderr[-3000:]
    table = (said.stdout + said.stderr).partition("Job stats:")[2].partition("total")[0]
    return {rule: int(number) for rule, number in (line.split() for line in table.splitlines() if line[-1:].isdigit())}


def planned(folder: Path, *extra: str) -> set[str]:
    """Return the rules that a dry run plans."""
    return set(jobs(snakemake(folder, "-n", *extra)))
