"""Runs commands of a checkout, watched: their memory, their time, what they change."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml


@dataclass(frozen=True)
class Case:
    """A reported case.

    Attributes:
        number: of the report.
        what: what was reported.
        run: tries it in an empty folder and returns what was unsafe; empty: nothing.
    """

    number: str
    what: str
    run: Callable[[Tool, Path], str]

    @property
    def order(self) -> tuple[int, str]:
        """Return the place among the cases."""
        return int(self.number.rstrip("abcdefgh")), self.number


@dataclass(frozen=True)
class Ran:
    """How a command ended.

    Attributes:
        code: exit code.
        said: standard output and standard error.
        stopped: why it was stopped; empty where it ended by itself.
    """

    code: int
    said: str
    stopped: str = ""

    def unsafe(self, *codes: int) -> str:
        """Return what a command should not do: run without end, print a traceback, end with another code."""
        if self.stopped:
            return self.stopped
        if "Traceback (most recent call last)" in self.said:
            return f"traceback, {self.said.strip().splitlines()[-1][:100]}"
        return "" if not codes or self.code in codes else f"exit code {self.code}"


class Tool:
    """The command line and the workflow of a checkout.

    Args:
        checkout: its folder.
        memory: bytes of one process; what takes more is stopped.
    """

    def __init__(self, checkout: Path, memory: float) -> None:
        self.checkout, self.memory = checkout, memory
        self.environment = {**os.environ, "PYTHONPATH": str(checkout / "src"), "COLUMNS": "200"}
        self.has_limits = (checkout / "src/adit/limits.py").is_file()

    def adit(self, folder: Path, *words: str | Path, limit_s: float = 600.0, umask: int = 0o022) -> Ran:
        """Run ``adit`` in a folder."""
        return self._run(folder, [sys.executable, "-m", "adit", *map(str, words)], limit_s, umask)

    def snakemake(self, folder: Path, values: dict[str, object], *words: str, limit_s: float = 1200.0) -> Ran:
        """Run the workflow in a folder with a configuration."""
        return self._run(folder, self.workflow(folder, values, *words), limit_s, 0o022)

    def workflow(self, folder: Path, values: dict[str, object], *words: str) -> list[str]:
        """Return the command of the workflow, and write its configuration."""
        (folder / "run.yaml").write_text(yaml.safe_dump(values))
        place = ["--snakefile", str(self.checkout / "Snakefile"), "--directory", str(folder)]
        return [
            sys.executable,
            "-m",
            "snakemake",
            *words,
            "--cores",
            "2",
            *place,
            "--configfile",
            str(folder / "run.yaml"),
        ]

    def weights(self, folder: Path) -> Path:
        """Copy the weights of the checkout and return their folder."""
        shutil.copytree(self.checkout / "weights", folder / "W")
        return folder / "W"

    def systems(self, folder: Path, kind: str = "crystals") -> Path:
        """Return a file of four systems that the checkout wrote."""
        (folder / "four.yaml").write_text(f"data: {{datasets: [{{name: builtin-{kind}, limit: 4}}]}}\n")
        out = folder / f"data/builtin-{kind}.arrow"
        done = self.adit(folder, "prepare", "--config", "four.yaml", "--dataset", f"builtin-{kind}", "--out", out)
        if done.code:
            raise RuntimeError(done.said)
        return out

    def start(self, folder: Path, line: Sequence[str], said: Path, umask: int = 0o022) -> psutil.Popen:
        """Start a program in its own process group; what it says goes to a file."""
        with said.open("w") as output:
            return psutil.Popen(
                line,
                cwd=folder,
                stdout=output,
                stderr=output,
                env=self.environment,
                start_new_session=True,
                umask=umask,
            )

    def _run(self, folder: Path, line: Sequence[str], limit_s: float, umask: int) -> Ran:
        said = folder / ".said"
        process, started, stopped = self.start(folder, line, said, umask), time.monotonic(), ""
        while process.poll() is None and not stopped:
            if time.monotonic() - started > limit_s:
                stopped = f"not ended after {limit_s:.0f} s"
            elif (size := largest(process)) > self.memory:
                stopped = f"{size / 1e9:.1f} GB of memory and growing"
            time.sleep(0.1)
        if stopped:
            end(process)
        return Ran(int(process.wait()), said.read_text(errors="replace"), stopped)


def largest(process: psutil.Process) -> int:
    """Return the memory of the largest of a process and its children, bytes."""
    with contextlib.suppress(psutil.Error):
        return max(int(each.memory_info().rss) for each in [process, *process.children(recursive=True)])
    return 0


def end(process: psutil.Process) -> None:
    """Kill a process and all that it started."""
    family = process.children(recursive=True) if process.is_running() else []
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for each in family:
        with contextlib.suppress(psutil.Error):
            each.kill()


def snapshot(folder: Path) -> dict[str, str]:
    """Return the hashes of the files in a folder."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and ".adit" not in path.parts]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def lost(before: dict[str, str], folder: Path) -> str:
    """Return which files are gone or changed, in words; empty: none."""
    after = snapshot(folder)
    gone = [name for name in before if name not in after]
    changed = [name for name in before if name in after and after[name] != before[name]]
    parts = [
        f"{len(names)} files {what} (e.g. {names[0]})"
        for what, names in (("deleted", gone), ("changed", changed))
        if names
    ]
    return ", ".join(parts)
