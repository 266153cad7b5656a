"""Runs that are killed, or meet another run."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from benchmarks.security.tool import Case, Tool, end

TARGETS = ("all", "--until", "score")


def values(tool: Tool) -> dict[str, object]:
    """Return a run that only samples with the weights of the checkout, and scores."""
    return {
        "name": "tiny",
        "data": {"datasets": [{"name": "builtin-molecules", "limit": 10}]},
        "model": {"source": "pretrained", "weights": str(tool.checkout / "weights")},
        "sample": {"crystal": 0, "molecule": 2, "shards": 1, "steps": 2, "guidance": 1.0},
        "score": {"controls": 2},
    }


def wait_for(text: str, said: Path, process: object, limit_s: float = 1200.0) -> bool:
    """Wait until a process says something; return whether it did."""
    started = time.monotonic()
    while text not in said.read_text(errors="replace"):
        if process.poll() is not None or time.monotonic() - started > limit_s:  # type: ignore[attr-defined]
            return False
        time.sleep(0.1)
    return True


def killed_while_scoring(tool: Tool, folder: Path) -> str:
    """Kill a run while it scores, and repeat the command."""
    process = tool.start(folder, tool.workflow(folder, values(tool), *TARGETS), folder / "said")
    table = folder / "results/tiny/scores/molecule.parquet"
    while (
        process.poll() is None and not list(folder.glob("results/tiny/scores/*")) and not list(table.parent.glob(".*"))
    ):
        time.sleep(0.02)
    if process.poll() is not None:
        return f"ended before it was killed: {(folder / 'said').read_text()[-300:]}"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(3)  # its stages see that it is gone
    again = tool.snakemake(folder, values(tool), *TARGETS)
    left = [path.name for path in folder.rglob("*.part")]
    reason = "IncompleteFilesException" if "IncompleteFiles" in again.said else again.unsafe(0)
    return reason or (f"{left[0]} stays" if left else "")


def beside_another(tool: Tool, folder: Path) -> str:
    """Start a second run beside one that works."""
    process = tool.start(folder, tool.workflow(folder, values(tool), *TARGETS), folder / "said")
    try:
        if not wait_for("Execute ", folder / "said", process):
            return "the first run did not start"
        second = tool.snakemake(folder, values(tool), *TARGETS, limit_s=300)
    finally:
        end(process)
        process.wait()
    lines = [line for line in second.said.splitlines() if "another run works" in line]
    return "" if lines and second.code else f"exit code {second.code}: {second.said.strip().splitlines()[-1][:100]}"


CASES = [
    Case("5a", "a kill while scoring, then the same command", killed_while_scoring),
    Case("5b", "a second run beside one that works", beside_another),
]
