"""Which build of PyTorch is installed, and how large the download is."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
ANSWER_S = 10.0  # how long the index of the CPU builds has to answer
# Size of the whole environment on the disk in GB, measured with du; docs/install.md
DISK_GB = {"CPU": 2.4, "CUDA": 6.2}


@dataclass(frozen=True)
class Plan:
    """What an installation will fetch.

    Attributes:
        torch: version of PyTorch with its local part, such as ``2.13.0+cpu``.
        download_gb: size of all wheels together; files on this machine's disk count 0.
        packages: versions by name.
    """

    torch: str
    download_gb: float
    packages: dict[str, str]

    @property
    def build(self) -> str:
        """``CPU`` or ``CUDA``: CUDA builds bring NVIDIA's libraries as packages."""
        return "CUDA" if any(name.startswith("nvidia-cublas") for name in self.packages) else "CPU"

    def describe(self) -> str:
        """Return which build comes and how large it is, for the terminal."""
        return (
            f"{len(self.packages)} packages with PyTorch {self.torch} ({self.build} build): {self.download_gb:.1f} GB "
            f"to download where nothing is cached, {DISK_GB[self.build]} GB on the disk"
        )


def read_plan(path: Path) -> Plan:
    """Return the plan that ``uv pip compile --format pylock.toml`` wrote."""
    packages = tomllib.loads(path.read_text(encoding="utf-8"))["packages"]
    versions = {package["name"]: package.get("version", "") for package in packages}
    size = sum(_download_size(package) for package in packages)
    return Plan(versions.get("torch", "none"), size / 1e9, versions)


def _download_size(package: dict[str, Any]) -> int:
    files = package.get("wheels") or [package.get("sdist") or package.get("archive") or {}]
    return 0 if is_local(files[0].get("url", "")) else int(files[0].get("size", 0))


def is_local(url: str) -> bool:
    """Return whether an address names a file of this machine."""
    parts = urlparse(url)
    return parts.scheme == "file" and Path(unquote(parts.path)).exists()


def has_gpu(environ: Mapping[str, str]) -> bool:
    """Return whether this machine shows an NVIDIA GPU."""
    program = shutil.which("nvidia-smi", path=environ.get("PATH"))
    if program is None:
        return False
    try:
        done = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and "GPU" in done.stdout
