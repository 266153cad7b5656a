"""Operations of the networks: what is counted, and the rate of the machine."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from adit.model import flops


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
