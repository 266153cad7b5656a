"""What every benchmark says of the machine: processor, cores, and how fast it multiplies matrices."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path

import torch


def describe() -> dict[str, str | int]:
    """Return processor, usable cores, accelerator and versions."""
    described: dict[str, str | int] = {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    if torch.cuda.is_available():
        described["accelerator"] = torch.cuda.get_device_name()
    return described


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def matmul_peak(
    shapes: Sequence[tuple[int, int, int]], dtype: torch.dtype, device: torch.device | str = "cpu"
) -> float:
    """Return the best rate of plain matrix products of these (rows, inner, columns), in TFLOP/s."""
    rates = []
    for rows, inner, columns in shapes:
        a = torch.randn(rows, inner, device=device, dtype=dtype)
        b = torch.randn(inner, columns, device=device, dtype=dtype)
        repeats = max(1, int(2e10 / (2 * rows * inner * columns)))
        for _ in range(5):
            synchronize(device)
            start = time.perf_counter()
            for _ in range(repeats):
                torch.mm(a, b)
            synchronize(device)
            rates.append(2 * rows * inner * columns * repeats / (time.perf_counter() - start) / 1e12)
    return max(rates)


def synchronize(device: torch.device | str) -> None:
    """Wait until the accelerator has done what it was told."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()
