"""The DAG of the ablations, planned: every variant once, and what variants share once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.workflow.running import ROOT, dry, jobs

pytestmark = pytest.mark.workflow


TINY = """
name: tiny
data: {datasets: [{name: builtin-crystals, limit: 30}]}
model:
  vae: {d_model: 16, heads: 2, encoder_layers: 1, decoder_layers: 1, latent_dim: 4, encode_lattice: true}
  dit: {d_model: 16, heads: 2, layers: 1, normalize_latents: true}
train: {vae: {max_steps: 20, batch_size: 8}, dit: {max_steps: 10, batch_size: 8, ema_decay: 0.5}}
sample: {steps: 5, guidance: 1.0}
ablations:
  systems: 4
  samples: 4
  autoencoders:
    a: {}
    b: {model: {encoder: equivariant, latent_vectors: 0, cutoff: 3.0, max_degree: 1}}
  denoisers: {c: {autoencoder: b, train: {center_noise: false}}}
"""


def snakemake(folder: Path, *extra: str) -> str:
    """Run the target of the ablations and return what was said."""
    command = [sys.executable, "-m", "snakemake", "ablations", "--cores", "2"]
    place = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    said = subprocess.run(
        [*command, *place, *extra],
        env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr[-3000:]
    return said.stdout + said.stderr


def planned(folder: Path, *extra: str) -> dict[str, int]:
    """Return the jobs of each rule that a dry run plans."""
    place = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    return jobs(dry(["ablations", "--cores", "2", *place, "-n", *extra]))


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


@pytest.mark.slow
def test_a_tiny_one_runs_to_its_tables(tmp_path: Path) -> None:
    pytest.importorskip("e3nn")
    (tmp_path / "tiny.yaml").write_text(TINY)
    snakemake(tmp_path, "--configfile", str(tmp_path / "tiny.yaml"))
    folder = tmp_path / "results/tiny/ablations"
    autoencoders = pd.read_csv(folder / "autoencoders.csv").set_index("autoencoder")
    assert autoencoders["encoder"].to_dict() == {"a": "transformer", "b": "equivariant"}
    assert autoencoders["builtin-crystals match, %"].between(0, 100).all()
    denoisers = pd.read_csv(folder / "denoisers.csv")
    assert denoisers["samples of a kind"].tolist() == [4]
    assert "| c |" in (folder / "tables.md").read_text()
