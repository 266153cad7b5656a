"""Inputs and targets of training are computed in full precision, also where the networks work in bf16."""

from __future__ import annotations

import torch

from adit.data.augment import Views, augment
from adit.model.features import featurize
from adit.systems import AtomicSystem
from tests.systems import batch_of


def test_autocast_does_not_round_what_the_networks_read(mixed: list[AtomicSystem]) -> None:
    batch = batch_of(mixed)
    views = Views.draw(len(batch), torch.Generator().manual_seed(0))
    expected = featurize(augment(batch, views, 1.0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features = featurize(augment(batch, views, 1.0))
    for name in ("positions", "fractional", "lattice", "cell"):
        values = getattr(features, name)
        assert values.dtype == torch.float32
        assert torch.equal(values, getattr(expected, name)), name
