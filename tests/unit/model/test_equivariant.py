"""The equivariant autoencoder as an option: what refuses it, and that it learns, is stored and resumes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from adit.config import VaeModelConfig, VaeStage, parse
from adit.errors import ConfigError, DataError
from adit.model import stored
from adit.model.build import build_vae
from adit.model.equivariant import EquivariantEncoder
from adit.model.features import featurize
from adit.model.vae import VAE
from adit.store import read_json, read_tensors, write_json, write_systems
from adit.systems import AtomicSystem, Kind
from adit.train.vae import train_vae, vae_losses
from tests.conftest import random_crystal, random_molecule
from tests.systems import batch_of

SMALL = {"d_model": 16, "heads": 2, "encoder_layers": 1, "decoder_layers": 1, "encoder": "equivariant", "cutoff": 4.0}


def test_without_e3nn_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "e3nn", None)
    with pytest.raises(ConfigError, match=r"needs e3nn .*pip install 'adit-pipeline\[equivariant\]'"):
        VAE(VaeModelConfig.model_validate(SMALL), 100)
    VAE(VaeModelConfig(d_model=16, heads=2, encoder_layers=1, decoder_layers=1), 100)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"d_model": 20}, "not a multiple of 4 x heads 2"),
        ({"latent_dim": 6, "latent_vectors": 2}, "leave none of the 6 channels"),
        ({"cutoff": -1.0}, "model.vae.cutoff"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse({"model": {"vae": {**SMALL, **changes}}})


def stage(names: list[str], **model: object) -> VaeStage:
    optim = {"max_steps": 4, "batch_size": 4, "val_every": 2, "log_every": 2, "lr": 1e-3}
    values = {
        "data": {"datasets": [{"name": name} for name in names]},
        "model": {"vae": {**SMALL, **model}},
        "train": {"vae": optim},
    }
    return parse(values).stage(VaeStage)


def write(folder: Path, name: str, systems: list[AtomicSystem]) -> Path:
    path = folder / f"{name}.arrow"
    write_systems(path, systems, splits=["train"] * (len(systems) - 1) + ["val"])
    write_json(path.with_suffix(".stats.json"), {"size_histogram": {"3": len(systems)}})
    return path


def test_it_is_trained_and_read_again(tmp_path: Path) -> None:
    pytest.importorskip("e3nn")
    random = np.random.default_rng(0)
    data = [
        write(tmp_path, "builtin-crystals", [random_crystal(random, 3, f"c{i}") for i in range(6)]),
        write(tmp_path, "builtin-molecules", [random_molecule(random, 3, f"m{i}") for i in range(6)]),
    ]
    names = ["builtin-crystals", "builtin-molecules"]
    train_vae(stage(names), data, tmp_path / "vae", tmp_path / "state")
    record = read_json(tmp_path / "vae/config.json")
    assert record["model"]["encoder"] == "equivariant"
    model = build_vae(record, read_tensors(tmp_path / "vae/model.safetensors"), "vae")
    assert model.encoder(featurize(batch_of([random_crystal(random, 2)]))).mean.shape == (1, 2, 8)


@pytest.mark.parametrize(("degree", "components"), [(1, 3), (2, 3 + 5)])
def test_each_higher_degree_has_a_quarter_of_the_channels(degree: int, components: int) -> None:
    """As decision 11 says; stored weights have these shapes."""
    pytest.importorskip("e3nn")
    model = VAE(VaeModelConfig.model_validate({**SMALL, "d_model": 24, "heads": 3, "max_degree": degree}), 20)
    assert isinstance(model.encoder, EquivariantEncoder)
    assert model.encoder.width == 24 + components * 6


def test_the_sizes_that_are_checked_before_reading_are_those_of_the_network() -> None:
    pytest.importorskip("e3nn")
    config = VaeModelConfig.model_validate(SMALL)
    shapes = {name: tuple(tensor.shape) for name, tensor in VAE(config, 20).state_dict().items()}
    stored._check_equivariant(config, 20, shapes, "weights")
    with pytest.raises(DataError, match=r"encoder\.logvar\.weight"):
        stored._check_equivariant(config, 20, {**shapes, "encoder.logvar.weight": (1, 16)}, "weights")


def test_molecules_need_a_vector(tmp_path: Path) -> None:
    molecules = [random_molecule(np.random.default_rng(i), 3, f"m{i}") for i in range(6)]
    data = [write(tmp_path, "builtin-molecules", molecules)]
    with pytest.raises(DataError, match=r"builtin-molecules: .*model.vae.latent_vectors"):
        train_vae(stage(["builtin-molecules"], latent_vectors=0), data, tmp_path / "vae", tmp_path / "state")


def test_it_learns_to_reconstruct() -> None:
    """A crystal and a molecule, some steps: types, positions and cells come back."""
    pytest.importorskip("e3nn")
    torch.manual_seed(0)
    model = VAE(VaeModelConfig.model_validate({**SMALL, "d_model": 32}), 20)
    features = featurize(batch_of(WATER_AND_SALT))
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    losses = []
    for _ in range(120):
        posterior = model.encoder(features)
        noise = torch.randn_like(posterior.mean)
        decoded = model.decoder(posterior.sample(noise), features.mask)
        loss = vae_losses(decoded, posterior, features, 1e-5)["loss"].mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.02 * losses[0], losses[::10]
    with torch.no_grad():
        decoded = model.decoder(model.encoder(features).mean, features.mask)
    assert torch.equal((decoded.logits.argmax(-1) + 1)[features.mask], features.numbers[features.mask])


WATER_AND_SALT = [
    AtomicSystem(
        "salt", Kind.CRYSTAL, np.array([11, 17]), np.array([[0.0, 0, 0], [2.8, 2.8, 2.8]]), np.diag([5.6, 5.6, 5.6])
    ),
    AtomicSystem("water", Kind.MOLECULE, np.array([8, 1, 1]), np.array([[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])),
]


def test_autocast_changes_neither_encoder_nor_decoder() -> None:
    model = VAE(VaeModelConfig.model_validate(SMALL), 100).eval()
    features = featurize(batch_of([random_crystal(np.random.default_rng(1), 4, "a")]))
    posterior = model.encoder(features)
    decoded = model.decoder(posterior.mean, features.mask)
    assert decoded.logits.dtype == posterior.mean.dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model.encoder(features).mean, posterior.mean)
        assert torch.equal(model.decoder(posterior.mean, features.mask).logits, decoded.logits)
