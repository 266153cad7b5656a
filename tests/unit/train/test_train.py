"""Training: exact resume, deterministic order, the VAE's equations, checkpoints of another shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from adit.config import Config, DitStage, EncodeStage, SampleStage, VaeStage, parse
from adit.data.batching import Mixture, size_buckets
from adit.errors import ConfigError, DataError
from adit.model.build import build_vae
from adit.model.features import featurize
from adit.model.vae import VAE, Posterior
from adit.sample.generate import sample_shard
from adit.store import read_arrow, read_json, read_systems, read_tensors, write_json, write_systems
from adit.systems import AtomicSystem, Kind
from adit.train import loop
from adit.train.dit import train_dit
from adit.train.latents import encode_dataset
from adit.train.vae import reconstruction_losses, train_vae
from tests.conftest import random_crystal, random_molecule
from tests.systems import batch_of

NAMES = ("builtin-crystals", "builtin-molecules")


def tiny(steps: int = 6, views: int = 2) -> Config:
    optim = {
        "max_steps": steps,
        "batch_size": 8,
        "val_every": 3,
        "log_every": 2,
        "lr": 1e-3,
        "checkpoint_minutes": 1e-6,
        "precision": "fp32",  # bf16 sums differ with how a batch is cut
    }
    return parse(
        {
            "data": {"datasets": [{"name": name} for name in NAMES]},
            "model": {
                "vae": {"d_model": 16, "heads": 2, "encoder_layers": 1, "decoder_layers": 1, "latent_dim": 4},
                "dit": {"d_model": 16, "heads": 2, "layers": 1, "normalize_latents": True},
            },
            "train": {"vae": optim, "dit": {**optim, "ema_decay": 0.5}},
            "latents": {"views": views},
            "sample": {"crystal": 5, "molecule": 4, "shards": 2, "steps": 3},
        }
    )


@pytest.fixture
def data(tmp_path: Path) -> list[Path]:
    paths = []
    for name, make in zip(NAMES, (random_crystal, random_molecule), strict=True):
        random = np.random.default_rng(1)
        systems = [make(random, int(random.integers(1, 7)), f"{name}-{i}") for i in range(20)]
        path = tmp_path / "data" / f"{name}.arrow"
        write_systems(path, systems, splits=["train"] * 16 + ["val"] * 4)
        sizes = [len(s) for s in systems[:16]]
        write_json(
            path.with_suffix(".stats.json"), {"size_histogram": {str(n): sizes.count(n) for n in sorted(set(sizes))}}
        )
        paths.append(path)
    return paths


def run_all(root: Path, config: Config, data: list[Path]) -> None:
    train_vae(config.stage(VaeStage), data, root / "vae", root / "state/vae")
    latents = []
    for path in data:
        outs = [root / f"latents/{path.stem}-{view}.arrow" for view in range(config.latents.views)]
        if outs:
            encode_dataset(config.stage(EncodeStage), root / "vae", path, outs)
        latents += outs
    train_dit(config.stage(DitStage), root / "vae", data, latents, root / "dit", root / "state/dit")


@pytest.mark.parametrize("views", [0, 2])
def test_the_whole_chain_gives_every_sample_a_row(tmp_path: Path, data: list[Path], views: int) -> None:
    config = tiny(views=views)
    run_all(tmp_path, config, data)
    ids = []
    for shard in range(2):
        out = tmp_path / f"samples/crystal/{shard}.arrow"
        sample_shard(config.stage(SampleStage), tmp_path / "vae", tmp_path / "dit", Kind.CRYSTAL, shard, out)
        ids += read_systems(out).ids
    assert ids == [f"crystal-0-{i}" for i in range(5)]
    metrics = pd.read_csv(tmp_path / "dit/metrics.csv")
    assert {"train", "val"} == set(metrics["split"])
    assert np.isfinite(metrics["loss"]).all()


def test_samples_do_not_depend_on_shards_or_batches(tmp_path: Path, data: list[Path]) -> None:
    config = tiny()
    run_all(tmp_path, config, data)

    def samples(shards: int, batch_atoms: int) -> list[AtomicSystem]:
        stage = SampleStage(
            seed=3, sample=config.sample.model_copy(update={"shards": shards, "batch_atoms": batch_atoms})
        )
        rows = []
        for shard in range(shards):
            out = tmp_path / f"{shards}-{batch_atoms}-{shard}.arrow"
            sample_shard(stage, tmp_path / "vae", tmp_path / "dit", Kind.MOLECULE, shard, out)
            rows += list(read_systems(out))
        return rows

    one, many = samples(1, 10_000), samples(4, 1)
    assert [s.system_id for s in one] == [s.system_id for s in many]
    for a, b in zip(one, many, strict=True):
        assert np.array_equal(a.numbers, b.numbers)
        assert np.allclose(a.positions, b.positions, atol=1e-3)


def test_resume_is_bit_exact(tmp_path: Path, data: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny(steps=8)
    train_vae(config.stage(VaeStage), data, tmp_path / "whole", tmp_path / "state/whole")

    original, calls = loop._Trainer._one_step, {"n": 0}

    def killed_at_five(self: loop._Trainer) -> None:
        calls["n"] += 1
        if calls["n"] == 6:
            self.checkpoints.wait()
            raise KeyboardInterrupt
        original(self)

    monkeypatch.setattr(loop._Trainer, "_one_step", killed_at_five)
    with pytest.raises(KeyboardInterrupt):
        train_vae(config.stage(VaeStage), data, tmp_path / "cut", tmp_path / "state/cut")
    monkeypatch.setattr(loop._Trainer, "_one_step", original)
    train_vae(config.stage(VaeStage), data, tmp_path / "cut", tmp_path / "state/cut")

    whole, cut = (read_tensors(tmp_path / name / "model.safetensors") for name in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    curves = [
        pd.read_csv(tmp_path / name / "metrics.csv").drop(columns=["seconds", "atoms_per_s"])
        for name in ("whole", "cut")
    ]
    pd.testing.assert_frame_equal(*curves)


def test_a_kill_after_the_last_step_repeats_no_row(
    tmp_path: Path, data: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = tiny().stage(VaeStage)
    with monkeypatch.context() as patched:
        patched.setattr("adit.train.vae.write_model", lambda *_: pytest.exit("killed"))
        with pytest.raises(pytest.exit.Exception):
            train_vae(stage, data, tmp_path / "out", tmp_path / "state")
    train_vae(stage, data, tmp_path / "out", tmp_path / "state")
    rows = pd.read_csv(tmp_path / "out/metrics.csv")
    assert not rows.duplicated(["step", "split"]).any()
    assert rows["split"].iloc[-1] == "val"


def test_a_resume_state_of_other_settings_is_not_used(tmp_path: Path, data: list[Path]) -> None:
    state = tmp_path / "state"
    train_vae(tiny(steps=2).stage(VaeStage), data, tmp_path / "a", state)
    train_vae(tiny(steps=5).stage(VaeStage), data, tmp_path / "b", state)
    assert read_json(tmp_path / "b/config.json")["steps"] == 5
    train_vae(tiny(steps=5).stage(VaeStage), data, tmp_path / "c", tmp_path / "fresh")
    b, c = read_tensors(tmp_path / "b/model.safetensors"), read_tensors(tmp_path / "c/model.safetensors")
    assert all(torch.equal(b[name], c[name]) for name in b)


def test_a_checkpoint_of_another_shape_is_refused(tmp_path: Path, data: list[Path]) -> None:
    train_vae(tiny(steps=1).stage(VaeStage), data, tmp_path / "vae", tmp_path / "state")
    stored = read_json(tmp_path / "vae/config.json")
    tensors = read_tensors(tmp_path / "vae/model.safetensors")
    stored["model"]["d_model"] = 32
    with pytest.raises(DataError, match="another model configuration"):
        build_vae(stored, tensors, "vae")
    stored["model"]["d_model"], stored["model"]["encoder_layers"] = 16, 2
    with pytest.raises(DataError, match="lacks tensor"):
        build_vae(stored, tensors, "vae")


def test_latents_of_other_data_are_refused(tmp_path: Path, data: list[Path]) -> None:
    config = tiny(steps=1)
    run_all(tmp_path, config, data)
    table = read_systems(data[0])
    write_systems(data[0], list(table)[::-1], splits=table.splits[::-1])
    latents = sorted((tmp_path / "latents").glob("*.arrow"))
    with pytest.raises(DataError, match="other data"):
        train_dit(config.stage(DitStage), tmp_path / "vae", data, latents, tmp_path / "dit2", tmp_path / "s2")


def test_a_kind_the_model_was_not_trained_on_is_refused(tmp_path: Path, data: list[Path]) -> None:
    config = tiny(steps=1)
    run_all(tmp_path, config, data)
    with pytest.raises(ConfigError, match="trained on crystal, molecule"):
        sample_shard(config.stage(SampleStage), tmp_path / "vae", tmp_path / "dit", Kind.MOF, 0, tmp_path / "x.arrow")


def test_elements_outside_the_vocabulary_are_refused(tmp_path: Path, data: list[Path]) -> None:
    stage = tiny(steps=1).stage(VaeStage).model_copy(update={"max_atomic_number": 20})
    with pytest.raises(DataError, match=r"outside the model's vocabulary: .*raise model.max_atomic_number"):
        train_vae(stage, data, tmp_path / "vae", tmp_path / "state")


def test_an_element_of_the_validation_split_alone_is_refused_too(tmp_path: Path, data: list[Path]) -> None:
    """In training, in the encoding by given weights, and where the denoiser's training encodes by itself."""
    config = tiny(steps=1, views=0)
    train_vae(config.stage(VaeStage), data, tmp_path / "vae", tmp_path / "state")
    fermium = AtomicSystem("heavy", Kind.MOLECULE, np.array([101]), np.zeros((1, 3)))
    table = read_systems(data[1])
    write_systems(data[1], [*list(table)[:-1], fermium], splits=table.splits)
    with pytest.raises(
        DataError, match=r"builtin-molecules: elements .* Md; raise model\.max_atomic_number \(now 100\)"
    ):
        train_vae(config.stage(VaeStage), data, tmp_path / "again", tmp_path / "state-again")
    fixed = r"Md; prepare the data with model\.max_atomic_number: 100, that of .*vae"
    with pytest.raises(DataError, match=fixed):
        encode_dataset(config.stage(EncodeStage), tmp_path / "vae", data[1], [tmp_path / "a.arrow"])
    with pytest.raises(DataError, match=fixed):
        train_dit(config.stage(DitStage), tmp_path / "vae", data, [], tmp_path / "dit", tmp_path / "state-dit")


def test_the_cache_holds_one_posterior_per_atom(tmp_path: Path, data: list[Path]) -> None:
    config = tiny(steps=1)
    train_vae(config.stage(VaeStage), data, tmp_path / "vae", tmp_path / "state")
    outs = [tmp_path / "a.arrow", tmp_path / "b.arrow"]
    encode_dataset(config.stage(EncodeStage), tmp_path / "vae", data[0], outs)
    first, second = (read_arrow(out).to_pydict() for out in outs)
    lengths = {s.system_id: len(s) * 4 for s in read_systems(data[0]).systems()}
    assert [len(row) for row in first["mean"]] == [lengths[name] for name in first["system_id"]]
    assert first["mean"][0] != second["mean"][0]
    assert b"vae_sha256" in read_arrow(outs[0]).schema.metadata[b"adit"]


def test_batches_keep_the_ratio_and_see_every_system_once_a_pass() -> None:
    mixture = Mixture([30, 10], [0.75, 0.25], 8, seed=0)
    rows = np.concatenate([mixture.batch(step) for step in range(20)])
    assert len(rows) == 160
    for first, size, count in ((0, 30, 120), (30, 10, 40)):
        drawn = [row - first for row in rows.tolist() if first <= row < first + size]
        assert len(drawn) == count
        for start in range(0, count, size):
            assert sorted(drawn[start : start + size]) == list(range(size))
    again, other = (Mixture([30, 10], [0.75, 0.25], 8, seed=seed).batch(13) for seed in (0, 1))
    assert np.array_equal(again, mixture.batch(13))
    assert not np.array_equal(other, mixture.batch(13))


def test_buckets_hold_every_system_once_and_little_padding() -> None:
    sizes = [int(n) for n in np.random.default_rng(0).integers(1, 40, 300)]
    parts = size_buckets(sizes, waste=0.2, smallest=64)
    assert sorted(i for part in parts for i in part) == list(range(300))
    padded = sum(max(sizes[i] for i in part) * len(part) for part in parts)
    assert sum(sizes) / padded > 0.75


def test_reconstruction_loss_is_the_papers_in_double_precision(mixed: list[AtomicSystem]) -> None:
    torch.manual_seed(0)
    module = VAE(tiny().model.vae, 100).double().eval()
    batch = batch_of(mixed)
    batch.positions, batch.cell = batch.positions.double(), batch.cell.double()
    target = featurize(batch)
    decoded = module.decoder(torch.randn(4, 9, 4, dtype=torch.float64), target.mask)
    got = {name: value.detach() for name, value in reconstruction_losses(decoded, target).items()}
    for b, system in enumerate(mixed):
        n = len(system)
        logits = decoded.logits[b, :n].detach().double().numpy()
        log_softmax = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        assert float(got["types"][b]) == pytest.approx(-log_softmax[range(n), system.numbers - 1].mean(), rel=1e-5)
        x, x_ = target.positions[b, :n].numpy(), decoded.positions[b, :n].detach().double().numpy()
        difference = (x - x.mean(0)) - (x_ - x_.mean(0))
        assert float(got["positions"][b]) == pytest.approx((difference**2).sum() / (3 * n), rel=1e-5)
        if system.cell is not None:
            expected = system.lengths / n ** (1 / 3)
            assert np.allclose(target.lattice[b, :3].numpy(), expected, rtol=1e-5)
            assert np.allclose(target.lattice[b, 3:].numpy(), np.radians(system.angles), rtol=1e-5)


def test_kl_of_a_posterior() -> None:
    mean, logvar = torch.full((1, 2, 3), 0.5), torch.full((1, 2, 3), np.log(0.25))
    expected = 3 * 0.5 * (0.25 + 0.25 - 1 - np.log(0.25))
    got = Posterior(mean, logvar).kl(torch.tensor([[True, False]]))
    assert float(got) == pytest.approx(expected, rel=1e-6)


def test_latents_of_another_autoencoder_are_refused(tmp_path: Path, data: list[Path]) -> None:
    config = tiny(views=1)
    run_all(tmp_path, config, data)
    other = config.stage(VaeStage).model_copy(update={"seed": 5})
    train_vae(other, data, tmp_path / "other", tmp_path / "state/other")
    latents = sorted((tmp_path / "latents").glob("*.arrow"))
    with pytest.raises(DataError, match="latents of another autoencoder"):
        train_dit(config.stage(DitStage), tmp_path / "other", data, latents, tmp_path / "x", tmp_path / "state/x")
