"""Checks of Python, the locked packages and torch."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from adit.doctor.finding import Finding, missing, note, ok

PYTHON = (3, 11)
"""Oldest version of Python."""

SHOWN = 4
"""Largest number of packages that a finding names."""


def python() -> Iterator[Finding]:
    """Check the version of the interpreter."""
    version = platform.python_version()
    if sys.version_info < PYTHON:
        yield missing("python", version, "3.11 or newer is needed; name another with PYTHON=… make env")
    else:
        yield ok("python", f"{version}, {sys.executable}")


def locked(lock: Path) -> Iterator[Finding]:
    """Compare the installed versions with the lock.

    Args:
        lock: a file of ``name==version`` lines.
    """
    if not lock.is_file():
        yield note("versions", f"no {lock.name} here to compare with", "run it in the project's folder")
        return
    wanted = dict(_pins(lock))
    absent = [name for name in wanted if _installed(name) is None]
    other = [
        f"{name} {_installed(name)} (locked: {version})"
        for name, version in wanted.items()
        if name not in absent and str(_installed(name)).split("+")[0] != version
    ]
    if absent:
        yield missing("versions", f"not installed: {_some(absent)}", "make env")
    if other:
        yield note("versions", f"differ from {lock.name}: {_some(other)}", "make env installs the locked ones")
    if not absent and not other:
        yield ok("versions", f"{len(wanted)} packages as in {lock.name}")


def _pins(lock: Path) -> Iterator[tuple[str, str]]:
    for line in lock.read_text(encoding="utf-8").splitlines():
        name, equal, version = line.partition("#")[0].partition(";")[0].strip().partition("==")
        if equal:
            yield name.partition("[")[0].strip(), version.strip()


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def torch_computes() -> Iterator[Finding]:
    """Check that torch loads, and multiplies on the device that a run would use."""
    try:
        import torch
    except ImportError as error:
        yield missing("torch", f"does not load: {error}", "make env")
        return
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU build"
    device = "cuda" if torch.cuda.is_available() else "cpu"
    (torch.ones(64, 64, device=device) @ torch.ones(64, 64, device=device)).sum().item()
    yield ok("torch", f"{torch.__version__}, {build}, computes on {device}, {torch.get_num_threads()} threads")
