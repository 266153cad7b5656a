"""GPUs and their drivers, memory, disk and quota, write access."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from adit.doctor.finding import Finding, missing, note, ok

ENOUGH_GB, LEAST_GB = 20.0, 0.5
"""Free disk space, GB (10⁹ bytes): for a run of the paper's size, and the smallest for any run."""

LEAST_FILES = 100_000
"""Smallest number of files that can be created; DFT writes a folder for each structure."""

DRIVERS = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/kfd")
"""Files of the drivers of GPUs (NVIDIA, AMD)."""


def gpus() -> Iterator[Finding]:
    """Check that torch can use the existing GPUs."""
    import torch

    driver = any(Path(path).exists() for path in DRIVERS)
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        yield ok("GPU", f"{len(names)} usable: {', '.join(sorted(set(names)))}{_driver_version()}")
    elif not driver:
        yield note(
            "GPU", "no driver on this machine", "training and sampling run on the CPU; fine for small runs alone"
        )
    elif torch.version.cuda is None and torch.version.hip is None:
        way = "install the build of torch for this GPU, of the version in requirements.lock"
        yield missing("GPU", f"there is a driver{_driver_version()}, but torch is a CPU build", way)
    else:
        way = "compare the driver (nvidia-smi) with the one that this build of torch needs; or the job has no GPU"
        yield missing("GPU", f"torch for CUDA {torch.version.cuda} cannot use the driver{_driver_version()}", way)


def _driver_version() -> str:
    words = ("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    version = done.stdout.split("\n")[0].strip()
    return f", driver {version}" if done.returncode == 0 and version else ""


def memory() -> Iterator[Finding]:
    """Report cores and memory."""
    import psutil

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield ok("cores and memory", f"{cores} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB")


def disk(folder: Path) -> Iterator[Finding]:
    """Check free space, number of files and quota in the folder of the results, or the nearest one above it."""
    there = _existing(folder)
    free = shutil.disk_usage(there).free / 1e9
    message = f"{free:.0f} GB free in {there}"
    if free < LEAST_GB:
        yield missing("disk", message, "free some space, or set `results` to another file system")
    elif free < ENOUGH_GB:
        yield note("disk", message, f"a run of the paper's size takes about {ENOUGH_GB:.0f} GB with its resume states")
    else:
        yield ok("disk", message)
    files = os.statvfs(there)
    if files.f_files and files.f_favail < LEAST_FILES:
        yield note("files", f"{files.f_favail} more can be made in {there}", "DFT keeps a folder for each structure")
    yield from _quota()


def _quota() -> Iterator[Finding]:
    if shutil.which("quota") is None:
        return
    try:
        done = subprocess.run(["quota", "-s"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        yield note("quota", "quota -s does not answer within 60 s", "look at your quota yourself")
        return
    over = [line.split()[0] for line in done.stdout.splitlines() if "*" in line]
    if over:
        yield missing("quota", f"exceeded on {', '.join(over)}", "free some space, or ask for more")
    elif done.stdout.strip():
        yield ok("quota", "within its limits (quota -s)")


def writing(folder: Path) -> Iterator[Finding]:
    """Check that files can be written, renamed and locked in the folder of the results and in the temporary folder."""
    yield written("results", folder)
    yield written("temporary files", Path(tempfile.gettempdir()))


def written(name: str, place: Path) -> Finding:
    """Check that files can be written, renamed and locked in a folder, which is created if it is missing.

    Args:
        name: what is written there, for display.
        place: the folder.
    """
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place) as probe:
            _write_and_lock(Path(probe))
    except OSError as error:
        return missing(f"writing {name}", f"{place}: {error.strerror or error}", "choose a folder that can be written")
    return ok(f"writing {name}", str(place))


def _write_and_lock(folder: Path) -> None:
    path = folder / "probe"
    path.write_text("probe", encoding="utf-8")
    path.replace(folder / "renamed")
    with (folder / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _existing(folder: Path) -> Path:
    folder = folder.resolve()
    return folder if folder.exists() else _existing(folder.parent)
