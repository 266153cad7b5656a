"""The autoencoder learns 32 real systems by heart: the whole path from raw files to match rates, at a small size."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from adit.config import ChosenDataset, PrepareStage, VaeStage, parse
from adit.data.prepare.stage import prepare
from adit.sample.reconstruct import reconstruct
from adit.score.reconstruction import compare
from adit.store import read_systems, write_json, write_systems
from adit.systems import AtomicSystem
from adit.train.vae import train_vae

MIRROR = Path(os.environ.get("ADIT_MIRROR") or Path(__file__).parents[4] / "shared" / "data")
NAMES = ("mp20", "qm9")
EACH = 16


def write_few(folder: Path, name: str) -> Path:
    """Prepare systems of a dataset, all of them for training."""
    chosen = ChosenDataset(name=name, limit=EACH)
    stage = PrepareStage(seed=0, dataset=chosen, custom=None, max_atoms=256, max_atomic_number=100)
    prepare(stage, folder / f"raw-{name}.arrow", folder / f"raw-{name}.json", mirror=str(MIRROR))
    systems = list(read_systems(folder / f"raw-{name}.arrow").systems())
    path, sizes = folder / f"{name}.arrow", [len(s) for s in systems]
    write_systems(path, systems, splits=["train"] * len(systems))
    write_json(
        path.with_suffix(".stats.json"), {"size_histogram": {str(n): sizes.count(n) for n in sorted(set(sizes))}}
    )
    return path


@pytest.mark.skipif(not MIRROR.is_dir(), reason="needs the mirror of public data: ADIT_MIRROR")
def test_the_autoencoder_reconstructs_32_real_systems(tmp_path: Path) -> None:
    """Augmentation, denoising, KL weight and inputs are the paper's; width, depth and learning rate are not."""
    paths = [write_few(tmp_path, name) for name in NAMES]
    config = parse(
        {
            "data": {"datasets": [{"name": name} for name in NAMES]},
            "model": {"vae": {"d_model": 64, "heads": 2, "encoder_layers": 2, "decoder_layers": 2}},
            "train": {
                "vae": {
                    "max_steps": 600,
                    "batch_size": 2 * EACH,
                    "lr": 2e-3,
                    "warmup_steps": 50,
                    "lr_decay": True,
                    "grad_clip": 1.0,
                    "precision": "fp32",
                }
            },
        }
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # tests run side by side
    try:
        train_vae(config.stage(VaeStage), paths, tmp_path / "vae", tmp_path / "state")
    finally:
        torch.set_num_threads(threads)
    for path in paths:
        reconstruct(tmp_path / "vae", path, "train", None, tmp_path / "made.arrow")
        originals, decoded = list(read_systems(path).systems()), list(read_systems(tmp_path / "made.arrow"))
        assert len(originals) == len(decoded) == EACH
        assert all(isinstance(row, AtomicSystem) for row in decoded)
        comparisons = [compare(a, b) for a, b in zip(originals, decoded, strict=True)]
        assert all(f["match"] for f in comparisons), [(f["types"], f["rmsd"]) for f in comparisons]
        assert all(f["types"] == 1.0 for f in comparisons)
        pairs = [(a, b) for a in originals for b in decoded if len(a) == len(b) and a.system_id != b.system_id]
        assert pairs
        assert not [(a.system_id, b.system_id) for a, b in pairs if compare(a, b)["match"]]
