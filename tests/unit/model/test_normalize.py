"""Normalised latents: of all systems or of each kind, in training, sampling and holding; weights without kinds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from adit.config import DitModelConfig, DitStage
from adit.model.build import build_dit
from adit.model.conditions import NULL_KIND
from adit.model.dit import DiT
from adit.sample.engine import Sampler
from adit.sample.hold import Held
from adit.sample.motif import Motif
from adit.sample.prior import Draw
from adit.store import read_json, read_tensors, read_weights, weights_sha256, write_json, write_tensors
from adit.systems import Kind
from adit.train import dit as training
from adit.train.dit import train_dit
from adit.train.draws import Draws
from tests.unit.train.test_train import data, run_all, tiny
from tests.weights import write_weights

__all__ = ["data"]

SHIPPED = Path(__file__).parents[3] / "weights"
MIXED = torch.tensor([Kind.MOLECULE.label, Kind.CRYSTAL.label, Kind.MOLECULE.label, Kind.MOF.label])


def denoiser(mode: bool | str) -> DiT:
    module = DiT(DitModelConfig.model_validate({"d_model": 8, "heads": 2, "layers": 1, "normalize_latents": mode}), 4)
    random = torch.Generator().manual_seed(0)
    module.latent_mean.normal_(generator=random)
    module.latent_std.uniform_(0.5, 3.0, generator=random)
    return module


@pytest.mark.parametrize("mode", [True, "by-kind"])
def test_latents_come_back(mode: bool | str) -> None:
    module, latents = denoiser(mode), torch.randn(4, 5, 4)
    there = module.normalize(latents, MIXED)
    assert not torch.allclose(there, latents, atol=0.1)
    torch.testing.assert_close(module.denormalize(there, MIXED), latents)


def test_each_system_of_a_mixed_batch_has_the_values_of_its_kind() -> None:
    module, latents = denoiser("by-kind"), torch.randn(4, 5, 4)
    for row, kind in enumerate(MIXED.tolist()):
        expected = (latents[row] - module.latent_mean[kind]) / module.latent_std[kind]
        torch.testing.assert_close(module.normalize(latents, MIXED)[row], expected)


def test_without_kinds_all_have_the_same_values() -> None:
    module, latents = denoiser(True), torch.randn(1, 5, 4).expand(4, -1, -1)
    assert module.latent_mean.shape == (4,)
    assert all(torch.equal(row, module.normalize(latents, MIXED)[0]) for row in module.normalize(latents, MIXED))


def test_the_weights_that_ship_are_read_as_they_were() -> None:
    """Version 0.1 knows one mean and one spread: its latents are scaled alike for every kind."""
    tensors = read_weights(SHIPPED / "dit")
    module = build_dit(read_json(SHIPPED / "dit/config.json"), tensors, "weights")
    latents = torch.randn(4, 5, module.latent_dim)
    expected = latents * tensors["latent_std"] + tensors["latent_mean"]
    by_kind = module.config.normalize_latents == "by-kind"
    assert by_kind or torch.equal(module.denormalize(latents, MIXED), expected)


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Return the clean latents that a training comes to see."""
    seen: list[Tensor] = []
    interpolate = training.interpolate

    def record(noise: Tensor, clean: Tensor, t: Tensor) -> Tensor:
        seen.append(clean.detach().clone())
        return interpolate(noise, clean, t)

    monkeypatch.setattr(training, "interpolate", record)
    return seen


@pytest.fixture
def root(tmp_path: Path, data: list[Path]) -> Path:
    """A trained pair whose latents are normalised without kinds."""
    run_all(tmp_path, tiny(), data)
    return tmp_path


def train(root: Path, data: list[Path], **changes: Any) -> None:
    """Train a denoiser with latents normalised by kind."""
    stage = tiny().stage(DitStage)
    model = stage.model.model_copy(update={"normalize_latents": "by-kind"})
    stage = stage.model_copy(update={"model": model, "train": stage.train.model_copy(update=changes)})
    latents = sorted((root / "latents").glob("*.arrow"))
    train_dit(stage, root / "vae", data, latents, root / "by-kind", root / "state/by-kind")


def test_training_measures_each_kind_and_unseen_kinds_have_the_values_of_all(root: Path, data: list[Path]) -> None:
    train(root, data)
    of_all, by_kind = (read_tensors(root / name / "model.safetensors") for name in ("dit", "by-kind"))
    for name in ("latent_mean", "latent_std"):
        assert by_kind[name].shape == (len(Kind), 4)
        torch.testing.assert_close(by_kind[name][Kind.MOF.label], of_all[name])
        assert not torch.allclose(by_kind[name][Kind.CRYSTAL.label], by_kind[name][Kind.MOLECULE.label], rtol=1e-3)


def test_a_system_whose_kind_is_hidden_is_still_scaled_by_its_kind(
    root: Path, data: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every condition dropped, the clean latents are centred kind by kind all the same."""
    seen, kinds = recorded(monkeypatch), []
    losses = training.DitTask.losses

    def spy(self: training.DitTask, rows: np.ndarray, draws: Draws, split: str) -> dict[str, Tensor]:
        kinds.append(torch.from_numpy(self.corpus.kinds(rows, split)))
        assert split == "val" or (self._conditions(rows, draws, split).kind == NULL_KIND).all()
        return losses(self, rows, draws, split)

    monkeypatch.setattr(training.DitTask, "losses", spy)
    train(root, data, label_dropout=1.0, max_steps=40)
    for kind in (Kind.CRYSTAL, Kind.MOLECULE):
        atoms = [c[k == kind.label] for c, k in zip(seen, kinds, strict=True)]
        values = torch.cat([part[(part != 0).any(dim=-1)] for part in atoms])
        assert values.mean(dim=0).abs().max() < 0.2
        torch.testing.assert_close(values.std(dim=0), torch.ones(4), rtol=0.2, atol=0.0)


@pytest.fixture
def by_kind(tmp_path: Path) -> Path:
    """Weights whose crystals and molecules have latents of very different sizes."""
    folder = write_weights(tmp_path / "weights", normalize_latents="by-kind")
    tensors = read_tensors(folder / "dit/model.safetensors")
    scale = torch.tensor([3.0, 0.5, 1.0])[:, None].expand(-1, 4)
    write_tensors(folder / "dit/model.safetensors", tensors | {"latent_mean": scale - 1.0, "latent_std": scale})
    described = read_json(folder / "dit/config.json")
    write_json(folder / "dit/config.json", described | {"weights_sha256": weights_sha256(folder / "dit")})
    return folder


@pytest.mark.parametrize("kind", [Kind.CRYSTAL, Kind.MOLECULE])
def test_sampling_decodes_with_the_values_of_the_kind(by_kind: Path, kind: Kind) -> None:
    sampler = Sampler(by_kind / "vae", by_kind / "dit", "fp32")
    latents, mask = torch.randn(2, 3, 4), torch.ones(2, 3, dtype=torch.bool)
    scale = {Kind.CRYSTAL: 3.0, Kind.MOLECULE: 0.5}[kind]
    expected = sampler.vae.decoder(latents * scale + scale - 1.0, mask)
    torch.testing.assert_close(sampler.decode(latents, mask, kind).positions, expected.positions)


def test_a_held_motif_has_the_latents_of_its_kind(by_kind: Path) -> None:
    """Atoms that are held walk to their own latents, in the space of the samples' kind."""
    sampler = Sampler(by_kind / "vae", by_kind / "dit", "fp32")
    motif = Motif(np.array([1, 8]), np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0]]), np.zeros((2, 3)), None)
    draws = [Draw(i, f"molecule-{i}", np.zeros((2, 4), dtype=np.float32), held=np.arange(2)) for i in range(3)]
    kinds = torch.full((3,), Kind.MOLECULE.label)
    mask = torch.ones(3, 2, dtype=torch.bool)
    held = Held(lambda noisy, previous, t: noisy, sampler.vae, sampler.dit, motif, draws, mask, kinds)
    with torch.no_grad():
        encoded = sampler.vae.encoder(held._alone()).mean
        latents = held(torch.zeros(3, 2, 4), torch.zeros(3, 2, 4), torch.zeros(3))
    torch.testing.assert_close(latents, (encoded - (0.5 - 1.0)) / 0.5)
