"""A training step asks nothing of the device: on the device without values, whatever needs one fails."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from adit.config import Config, EncodeStage, VaeStage
from adit.model.dit import DiT
from adit.model.vae import VAE
from adit.train.corpus import Corpus, read_corpus
from adit.train.dit import DitTask
from adit.train.draws import Draws, step_generator
from adit.train.latents import Cached, LatentSource, OnTheFly, encode_dataset
from adit.train.plan import TrainingTask
from adit.train.vae import VaeTask, train_vae
from tests.unit.train.test_train import data as data
from tests.unit.train.test_train import tiny

META = torch.device("meta")


@pytest.fixture(autouse=True)
def _no_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    """The device without values knows no autocast."""
    for name in ("__init__", "__enter__", "__exit__"):
        monkeypatch.setattr(torch.autocast, name, lambda *_args, **_options: None)


def tuned() -> Config:
    config = tiny(steps=1, views=1)
    labels = [
        {"name": "spacegroup", "type": "category", "classes": 231, "dropout": 0.5},
        {"name": "composition", "type": "composition", "dropout": 0.5},
    ]
    dit = type(config.model.dit).model_validate(config.model.dit.model_dump() | {"labels": labels})
    trained = config.train.model_copy(update={"dit": config.train.dit.model_copy(update={"self_conditioning": 1.0})})
    return config.model_copy(update={"train": trained, "model": config.model.model_copy(update={"dit": dit})})


def step(task: TrainingTask, corpus: Corpus, config: Config, stage: str) -> torch.Tensor:
    train = getattr(config.train, stage)
    rows = corpus.mixture(train.batch_size, 0).batch(0)
    draws = Draws.make(corpus.sizes(rows, "train"), step_generator(0, stage, 0), task.per_system, task.per_atom)
    loss = task.losses(rows, draws.part(torch.arange(len(rows)).numpy(), META), "train")["loss"].sum()
    torch.autograd.backward(loss)
    return loss


def test_a_step_of_the_autoencoder_never_waits_for_the_device(data: list[Path]) -> None:
    config = tuned()
    corpus = read_corpus(data, config.data)
    module = VAE(config.model.vae, config.model.max_atomic_number).to(META)
    loss = step(VaeTask(module, corpus, config.train.vae, META), corpus, config, "vae")
    assert loss.device == META


@pytest.mark.parametrize("views", [0, 1])
def test_a_step_of_the_denoiser_never_waits_for_the_device(tmp_path: Path, data: list[Path], views: int) -> None:
    config = tuned()
    corpus = read_corpus(data, config.data)
    vae = VAE(config.model.vae, config.model.max_atomic_number)
    source: LatentSource
    if views:
        train_vae(config.stage(VaeStage), data, tmp_path / "vae", tmp_path / "state")
        outs = [tmp_path / f"{path.stem}-0.arrow" for path in data]
        for path, out in zip(data, outs, strict=True):
            encode_dataset(config.stage(EncodeStage), tmp_path / "vae", path, [out])
        source = Cached([[out] for out in outs], corpus, vae.config.latent_dim, META)
    else:
        source = OnTheFly(vae.to(META), corpus, 1.0)
    module = DiT(config.model.dit, vae.config.latent_dim).to(META)
    loss = step(DitTask(module, source, corpus, config.train.dit, META), corpus, config, "dit")
    assert loss.device == META
