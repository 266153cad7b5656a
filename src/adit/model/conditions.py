"""Conditions of the denoiser for each system: its kind, and any further labels; each may be null."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from adit.config import LabelConfig
from adit.errors import ConfigError
from adit.systems import Kind, SystemBatch
from adit.transfer import to_device

NULL_KIND = len(Kind)
"""The label φ (no kind given) of an unconditional prediction."""

ELEMENTS = 118
"""Width of a composition: fractions of the elements Z = 1 … 118."""


@dataclass(frozen=True)
class Conditions:
    """Conditions of a batch.

    Attributes:
        kind: (B,) ``Kind.label``, or ``NULL_KIND``.
        labels: codes by name. Category: (B,) int, the number of classes where null. Number: (B, 2) float, standardised
            value and 1, or zeros where null. Composition: (B, 118) float fractions that sum to 1, or zeros where null.
    """

    kind: Int[Tensor, " b"]
    labels: Mapping[str, Tensor]

    def __len__(self) -> int:
        return len(self.kind)

    def to(self, device: torch.device | str) -> Conditions:
        """Return the conditions on ``device``."""
        return Conditions(to_device(self.kind, device), {n: to_device(code, device) for n, code in self.labels.items()})

    def drop(self, chosen: Bool[Tensor, " b"], nulls: Conditions, labels: Sequence[str] | None = None) -> Conditions:
        """Return the conditions, replaced by ``nulls`` where ``chosen``.

        Args:
            chosen: (B,) systems whose conditions are dropped.
            nulls: B rows of null conditions.
            labels: names of the labels to drop; ``None`` drops all labels and the kind.
        """
        kind = torch.where(chosen, nulls.kind, self.kind) if labels is None else self.kind
        names = self.labels.keys() if labels is None else labels
        replaced = {
            name: torch.where(chosen.view(-1, *[1] * (self.labels[name].ndim - 1)), nulls.labels[name], code)
            if name in names
            else code
            for name, code in self.labels.items()
        }
        return Conditions(kind, replaced)

    def cat(self, other: Conditions) -> Conditions:
        """Return these conditions followed by ``other``, which has the same labels."""
        labels = {name: torch.cat([code, other.labels[name]]) for name, code in self.labels.items()}
        return Conditions(torch.cat([self.kind, other.kind]), labels)

    def __getitem__(self, rows: Tensor | slice) -> Conditions:
        return Conditions(self.kind[rows], {name: code[rows] for name, code in self.labels.items()})


def null_conditions(labels: Sequence[LabelConfig], count: int, device: torch.device | str = "cpu") -> Conditions:
    """Return ``count`` rows of null conditions φ."""
    return encode(labels, [None] * count, [{}] * count).to(device)


def composition_code(batch: SystemBatch) -> Float[Tensor, "b 118"]:
    """Return the fraction of each element Z = 1 … 118 in each system of a batch."""
    counts = torch.zeros(len(batch), ELEMENTS, device=batch.numbers.device)
    counts.index_put_((batch.system_idx, batch.numbers - 1), torch.ones((), device=counts.device), accumulate=True)
    return counts / batch.n_atoms[:, None]


def encode(
    labels: Sequence[LabelConfig], kinds: Sequence[Kind | None], values: Sequence[Mapping[str, Any]]
) -> Conditions:
    """Return conditions from plain values.

    Args:
        labels: the model's labels.
        kinds: kind of each system; ``None`` is null.
        values: label → value of each system; a missing value, ``None`` or a number that is not finite is null. A
            composition is a mapping of atomic number (1 to 118) → amount, in any unit; an empty one is null.

    Raises:
        ConfigError: a label is unknown to the model, a value is not a number, a category is not one of its label's
            classes, or a composition has another key than an element, or amounts that are not positive.
    """
    names = {label.name for label in labels}
    unknown = {name for row in values for name, value in row.items() if name not in names and value is not None}
    if unknown:
        listing = ", ".join(sorted(names)) or "the kind of system alone"
        raise ConfigError(f"{min(unknown)}: this model was not trained with that label; it knows {listing}")
    kind = torch.tensor([NULL_KIND if k is None else k.label for k in kinds])
    return Conditions(kind, {label.name: _codes(label, [row.get(label.name) for row in values]) for label in labels})


def _codes(label: LabelConfig, values: Sequence[Any]) -> Tensor:
    if label.type == "category":
        return torch.tensor([_category(label, value) for value in values])
    if label.type == "number":
        finite = [_finite(label, value) for value in values]
        pairs = [(0.0, 0.0) if v is None else ((v - label.mean) / label.std, 1.0) for v in finite]
        return torch.tensor(pairs)
    shares = torch.zeros(len(values), ELEMENTS)
    for row, amounts in enumerate(values):
        for z, share in _shares(label, amounts or {}).items():
            shares[row, z - 1] = share
    return shares


def _finite(label: LabelConfig, value: Any) -> float | None:
    """Return a value as a number; ``None`` if it is null or not finite."""
    try:
        number = math.nan if value is None else float(value)
    except (TypeError, ValueError):
        raise ConfigError(f"{label.name}: '{value}' is not a number") from None
    return number if math.isfinite(number) else None


def _category(label: LabelConfig, value: Any) -> int:
    classes, number = label.classes or 0, _finite(label, value)
    if number is None:
        return classes
    if not number.is_integer() or not 0 <= number < classes:
        raise ConfigError(f"{label.name}: {value} is not a class; the model knows 0 to {classes - 1}")
    return int(number)


def _shares(label: LabelConfig, amounts: Mapping[Any, Any]) -> dict[int, float]:
    """Return atomic number → fraction of the atoms."""
    parts = {_finite(label, z): _finite(label, amount) for z, amount in amounts.items()}
    for z, amount in parts.items():
        if z is None or not z.is_integer() or not 1 <= z <= ELEMENTS:
            raise ConfigError(f"{label.name}: {dict(amounts)} has a key that is no atomic number from 1 to {ELEMENTS}")
        if amount is None or amount < 0.0:
            raise ConfigError(f"{label.name}: {dict(amounts)} has an amount that is not a positive number")
    total = sum(amount for amount in parts.values() if amount is not None)
    if parts and not total > 0.0:
        raise ConfigError(f"{label.name}: the amounts of {dict(amounts)} are all 0")
    return {int(z): amount / total for z, amount in parts.items() if z is not None and amount is not None}


class ConditionEmbedding(nn.Module):
    """Sum of the embeddings of all conditions."""

    def __init__(self, labels: Sequence[LabelConfig], d_model: int) -> None:
        super().__init__()
        self.kind = nn.Embedding(len(Kind) + 1, d_model)
        nn.init.normal_(self.kind.weight, std=0.02)
        self.labels = nn.ModuleDict({label.name: _embedding(label, d_model) for label in labels})

    def forward(self, conditions: Conditions) -> Float[Tensor, "b d"]:
        """Embed the conditions of a batch, as the sum (B, d)."""
        total = self.kind(conditions.kind)
        for name, embedding in self.labels.items():
            total = total + embedding(conditions.labels[name])
        return total


def _embedding(label: LabelConfig, d_model: int) -> nn.Module:
    if label.type == "category":
        table = nn.Embedding((label.classes or 0) + 1, d_model)
        nn.init.normal_(table.weight, std=0.02)
        return table
    width = 2 if label.type == "number" else ELEMENTS
    return nn.Sequential(nn.Linear(width, d_model), nn.SiLU(), nn.Linear(d_model, d_model))
