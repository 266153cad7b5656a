"""Operations of the networks: what is counted, and the rate of the machine."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from adit.config import VaeModelConfig
from adit.model import flops
from adit.model.features import featurize
from adit.model.vae import VAE
from adit.systems import AtomicSystem
from tests.conftest import random_crystal, random_molecule
from tests.systems import batch_of


def test_the_rate_is_two_operations_for_each_product_over_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = count()
    monkeypatch.setattr(flops, "time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))
    assert flops.matmul_rate(torch.device("cpu"), "fp32") == 4 * 2 * 512**3  # four products of 512 x 512 in a second


def test_layers_that_act_once_per_system_are_not_counted() -> None:
    module = nn.ModuleDict(
        {
            "feed": nn.Linear(3, 5),
            "modulation": nn.Linear(7, 7),
            "time": nn.Sequential(nn.Linear(7, 7)),
            "decoder": nn.ModuleDict({"lattice": nn.Linear(7, 7), "logits": nn.Linear(2, 2)}),
        }
    )
    assert flops.per_atom_weights(module) == (3 * 5 + 2 * 2, 0)


def test_layers_of_lattices_and_indices_act_once() -> None:
    plain, with_both = (
        VAE(VaeModelConfig(d_model=32, heads=2, encode_lattice=on, index_embedding=on), 100) for on in (False, True)
    )
    assert flops.per_atom_weights(with_both) == flops.per_atom_weights(plain)


@pytest.mark.parametrize("make", [random_molecule, random_crystal], ids=["molecules", "crystals"])
@pytest.mark.parametrize("vectors", [0, 1])
def test_operations_of_the_equivariant_autoencoder_are_those_that_torch_counts(
    make: Callable[..., AtomicSystem], vectors: int
) -> None:
    pytest.importorskip("e3nn")
    options = {"encoder": "equivariant", "latent_vectors": vectors, "cutoff": 4.0, "encode_lattice": True}
    module = VAE(VaeModelConfig.model_validate({"d_model": 32, "heads": 2, "encoder_layers": 2, **options}), 100)
    for sizes in ([8] * 6, [2, 5, 3]):
        systems = [make(np.random.default_rng(i), size, str(i)) for i, size in enumerate(sizes)]
        features = featurize(batch_of(systems))
        padding = features.mask.numel() / sum(sizes)
        with FlopCounterMode(display=False) as counter:
            module.encoder(features)
        counted = flops.training_flops(module.encoder, np.array(sizes)) / 3
        lattice = 2 * sum(layer.weight.numel() for layer in module.encoder.lattice if isinstance(layer, nn.Linear))
        assert counted == pytest.approx(counter.get_total_flops() - lattice * len(sizes), rel=0.03 * padding)
        with FlopCounterMode(display=False) as counter:
            module.decoder(torch.randn(*features.mask.shape, module.config.latent_dim), features.mask)
        counted = flops.training_flops(module.decoder, np.array(sizes)) / 3
        assert counted == pytest.approx(counter.get_total_flops() / padding, rel=0.03)
