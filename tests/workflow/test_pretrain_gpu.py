"""The recipe for one GPU, in seconds on the CPU: labels, latents normalised by kind, packed and sampled."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from adit.store import read_json, read_systems, write_frame, write_json, write_systems
from tests.conftest import random_crystal, random_molecule

ROOT = Path(__file__).parents[2]
TINY = {
    "vae": {"d_model": 16, "heads": 2, "encoder_layers": 1, "decoder_layers": 1, "latent_dim": 4},
    "dit": {"d_model": 16, "heads": 2, "layers": 2, "normalize_latents": "by-kind"},
}


def prepared(folder: Path) -> None:
    for name, make in (("mp20", random_crystal), ("qm9", random_molecule)):
        random = np.random.default_rng(1)
        systems = [make(random, 1 + i % 4, f"{name}-{i}") for i in range(12)]
        write_systems(folder / f"{name}.arrow", systems, splits=["train"] * 10 + ["val"] * 2)
        write_json(folder / f"{name}.stats.json", {"size_histogram": {"1": 3, "2": 3, "3": 2, "4": 2}})
    gaps = pd.DataFrame({"system_id": ["qm9-0", "qm9-1"], "homo_lumo_gap": [4.0, 6.0]})
    write_frame(folder / "qm9.labels.parquet", gaps)


def test_the_recipe_for_one_gpu_runs_through(tmp_path: Path) -> None:
    prepared(tmp_path / "data")
    recipe = yaml.safe_load((ROOT / "config/pretrain-gpu.yaml").read_text())
    recipe["model"]["vae"] = TINY["vae"]
    recipe["model"]["dit"] |= TINY["dit"]
    for part in recipe["train"].values():
        part |= {"batch_size": 4, "val_every": 100, "max_steps": 5}
    recipe["sample"] |= {"steps": 2, "by_kind": {"molecule": {"formulas": "training"}}}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(recipe))
    work, out = tmp_path / "work", tmp_path / "out"
    words = [tmp_path / "data", work, out, "1", "1", "2", tmp_path / "tiny.yaml"]
    command = ["bash", "workflow/scripts/pretrain_gpu.sh", *map(str, words)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    described = read_json(work / "weights/dit/config.json")
    assert {"mp20", "qm9", "qm9.labels.parquet"} == set(described["data_sha256"])
    assert described["model"]["normalize_latents"] == "by-kind"
    assert "label homo_lumo_gap: no training system has it" not in done.stderr
    assert "label band_gap: no training system has it" in done.stderr
    with tarfile.open(fileobj=(out / "weights.tar.aa").open("rb")) as archive:
        archive.extractall(tmp_path / "shipped", filter="data")
    for kind in ("crystal", "molecule"):
        assert len(read_systems(tmp_path / f"shipped/{kind}.arrow")) == 2
