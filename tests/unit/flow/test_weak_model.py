"""Guidance by a weaker denoiser without the class label."""

from __future__ import annotations

import torch
from torch import Tensor

from adit.flow.guidance import Guided


class Label:
    """Conditions of a batch: one number per system, 9 for the null label."""

    def __init__(self, values: Tensor) -> None:
        self.values = values

    def cat(self, other: Label) -> Label:
        return Label(torch.cat([self.values, other.values]))


def by_label(with_label: float, without: float):  # type: ignore[no-untyped-def]
    def predict(noisy: Tensor, previous: Tensor, t: Tensor, label: Label, mask: Tensor) -> Tensor:
        return torch.where(label.values[:, None, None] == 0, with_label, without).expand_as(noisy)

    return predict


def test_with_guidance_zero_the_weak_model_is_unconditional_too() -> None:
    """Z′(φ) + (ω − 1)(Z′(φ) − Z′weak(φ)) = −1 + 2 (−1 − 7)."""
    mask, noisy = torch.ones(2, 3, dtype=torch.bool), torch.zeros(2, 3, 4)
    conditions, nulls = Label(torch.zeros(2)), Label(torch.full((2,), 9.0))
    strong, weak = by_label(2.0, -1.0), by_label(1.5, 7.0)
    predict = Guided(strong, conditions, nulls, mask, 0.0, weak=weak, weak_scale=3.0)
    assert predict(noisy, noisy, torch.full((2,), 0.5)).unique().tolist() == [-17.0]


def test_padding_is_zero_inside_and_outside_the_guidance_interval() -> None:
    mask, noisy = torch.tensor([[True, True, False]]), torch.zeros(1, 3, 4)
    conditions, nulls = Label(torch.zeros(1)), Label(torch.full((1,), 9.0))
    predict = Guided(by_label(2.0, -1.0), conditions, nulls, mask, 3.0, interval=(0.5, 1.0))
    for t, value in ((0.25, 2.0), (0.75, 8.0)):  # Z′(c); Z′(φ) + 3 (Z′(c) − Z′(φ))
        clean = predict(noisy, noisy, torch.full((1,), t))
        assert clean[:, :2].unique().tolist() == [value]
        assert clean[:, 2].unique().tolist() == [0.0]
