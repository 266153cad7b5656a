"""The DAG of the ablations, planned: every variant once, and what variants share once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("workflow")]


def planned(folder: Path, *extra: str) -> dict[str, int]:
    """Return the jobs of each rule that a dry run plans."""
    snakemake = [sys.executable, "-m", "snakemake", "ablations", "-n", "--cores", "2"]
    place = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    said = subprocess.run(
        [*snakemake, *place, *extra],
        env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr[-3000:]
    table = (said.stdout + said.stderr).partition("Job stats:")[2].partition("total")[0]
    rows = [line.split() for line in table.splitlines() if line[-1:].isdigit()]
    return {rule: int(count) for rule, count in rows}


def test_the_papers_ablations_are_planned(tmp_path: Path) -> None:
    assert planned(tmp_path, "--configfile", str(ROOT / "config/ablations.yaml")) == {
        "prepare": 2,
        "ablation_vae": 14,
        "ablation_reconstruct": 8 + 2 * 6,
        "ablation_dit": 25,
        "ablation_sample": 8 + 2 * 17,
        "ablation_score": 25,
        "ablations": 1,
    }


def test_latents_are_cached_once_for_all_denoisers_of_an_autoencoder(tmp_path: Path) -> None:
    small = ["--configfile", str(ROOT / "config/ablations-small.yaml"), "--config", "latents={views: 2}"]
    jobs = planned(tmp_path, *small)
    assert jobs["ablation_encode"] == 2 * 3  # of the three autoencoders that a denoiser works with
    assert (jobs["ablation_vae"], jobs["ablation_dit"]) == (7, 7)
