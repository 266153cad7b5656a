"""The cluster and the undisturbed run that all tests here share. They need root and SLURM's packages, and minutes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.cluster import SCRIPT, STARTED, Run, node, sh


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    check = subprocess.run([SCRIPT, "check"], capture_output=True, text=True, check=False)
    if check.returncode:
        pytest.skip(check.stderr.strip())
    subprocess.run([SCRIPT, "up"], check=True, timeout=120)
    try:
        yield
    finally:
        subprocess.run([SCRIPT, "down"], check=False, timeout=120)


@pytest.fixture(scope="session")
def undisturbed(cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The whole run, nothing in its way: what every disturbed one must come to.

    ``ADIT_SLURM_UNDISTURBED`` names the folder of one that was made before.
    """
    if before := os.environ.get("ADIT_SLURM_UNDISTURBED"):
        return Run(Path(before))
    run = Run(tmp_path_factory.mktemp("slurm") / "undisturbed")
    run.folder.mkdir()
    run.complete("all")
    return run


@pytest.fixture(autouse=True)
def clean_queue(cluster: None) -> Iterator[None]:
    yield
    for process in STARTED:
        process.kill()
        process.wait()
    STARTED.clear()
    for daemon in ("start-controller", "start-node"):
        subprocess.run([SCRIPT, daemon], check=False, timeout=60)
    sh("scancel", "--me")
    node("resume")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"
