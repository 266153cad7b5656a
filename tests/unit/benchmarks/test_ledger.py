"""The benchmark of the ledger leaves nothing behind when it is terminated."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "benchmarks/ledger.py"


def test_a_terminated_benchmark_removes_its_folder(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--candidates", "1000000", "--new", "2"]
    process = subprocess.Popen(command, env={**os.environ, "TMPDIR": str(tmp_path)})
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("*/ledger.sqlite")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(tmp_path.iterdir())
    process.terminate()
    assert process.wait(timeout=60) == 143
    assert list(tmp_path.iterdir()) == []
