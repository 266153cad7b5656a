"""The place of an atom in the canonical order, as an input of the networks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from adit.model.blocks import IndexEmbedding, sinusoids
from adit.model.dit import DiT
from adit.model.padding import padding_mask
from adit.model.vae import VAE
from tests.unit.model.test_reference import DIT_CONFIG, VAE_CONFIG, dit_inputs, features_of, unsettled


@pytest.mark.parametrize("width", [6, 7])
def test_sinusoids_are_cosines_then_sines_of_falling_frequencies(width: int) -> None:
    waves = sinusoids(torch.arange(5), width)
    assert waves.shape == (5, width)
    for place in range(5):
        angles = [place * 10000.0 ** (-i / 3) for i in range(3)]
        expected = [*map(math.cos, angles), *map(math.sin, angles), *[0.0] * (width - 6)]
        np.testing.assert_allclose(waves[place].numpy(), expected, atol=1e-6)


def test_the_embedding_is_linear_in_them() -> None:
    embedding = IndexEmbedding(16)
    x = torch.zeros(2, 5, 16)
    torch.testing.assert_close(embedding(x), embedding.linear(sinusoids(torch.arange(5), 16)))


def test_the_denoiser_adds_it_to_what_its_first_block_reads() -> None:
    module = unsettled(DiT(DIT_CONFIG.model_copy(update={"index_embedding": True}), 4))
    assert isinstance(module, DiT)
    noisy, previous, t, conditions, mask = dit_inputs()
    read: list[Tensor] = []
    module.blocks[0].register_forward_pre_hook(lambda _module, inputs: read.append(inputs[0]))
    module(noisy, previous, t, conditions, mask)
    assert module.index is not None
    added = module.index(sinusoids(torch.arange(noisy.shape[1]), DIT_CONFIG.d_model).double())
    torch.testing.assert_close(read[0], module.embed(torch.cat([noisy, previous], dim=-1)) + added)


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_encoder_and_decoder_read_the_order_of_atoms_only_with_it(mixed: Any, part: str) -> None:
    mask = padding_mask(torch.tensor([5]))
    latents = torch.randn(1, 5, VAE_CONFIG.latent_dim, dtype=torch.float64)
    for index in (False, True):
        module = unsettled(VAE(VAE_CONFIG.model_copy(update={"index_embedding": index}), 100))
        assert isinstance(module, VAE)
        if part == "decoder":
            ahead = module.decoder(latents, mask).positions
            back = module.decoder(latents.flip(1), mask).positions.flip(1)
        else:
            system = mixed[0]
            turned = type(system)(
                system.system_id, system.kind, system.numbers[::-1].copy(), system.positions[::-1].copy(), system.cell
            )
            ahead = module.encoder(features_of([system])).mean
            back = module.encoder(features_of([turned])).mean.flip(1)
        assert torch.allclose(ahead, back, atol=1e-6) is not index
