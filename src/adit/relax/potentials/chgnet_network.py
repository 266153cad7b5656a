"""The network of CHGNet 0.3.0 with its own weights, in a form that needs a third of the multiplications.

A message joins the features of two bonds, their angle and an atom, and its first layer is linear. The layer is applied
to atoms and bonds before they are gathered for each angle, instead of after; the last update of the angles, which
nothing reads, is left out. Energies and their derivatives are the same up to rounding
(``tests/unit/relax/test_chgnet_graphs.py``).

Source: Deng et al., Nat. Mach. Intell. 5, 1031 (2023), Methods: atom convolution, bond convolution, angle update.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.nn.functional import layer_norm, sigmoid, silu

if TYPE_CHECKING:
    from torch import Tensor

    from adit.relax.potentials.chgnet_graphs import GraphBatch

Part = tuple["Tensor", "Tensor | None"]
"""Features (n, 64), and which of them each row of the messages has (m,); ``None``: row by row."""


class _Branch:
    """One half of a gated perceptron: a linear layer of joined features, maybe a second one, and a norm."""

    def __init__(self, perceptron: Any, norm: Any, parts: int) -> None:
        first, *others = (layer for layer in perceptron.layers if isinstance(layer, nn.Linear))
        self._weights = [weight.T.contiguous() for weight in first.weight.chunk(parts, dim=1)]
        self._bias, self._norm = first.bias, norm
        self._second = others[0] if others else None

    def __call__(self, parts: Sequence[Part]) -> Tensor:
        rows: Any = self._bias
        for (features, places), weight in zip(parts, self._weights, strict=True):
            if places is not None:
                rows = rows + (features @ weight).index_select(0, places)
        for (features, places), weight in zip(parts, self._weights, strict=True):
            if places is None:
                rows = rows.addmm(features, weight)
        if self._second is not None:
            rows = self._second(silu(rows))
        norm = self._norm
        return layer_norm(rows, norm.normalized_shape, norm.weight, norm.bias, norm.eps)


class _Gated:
    """A gated perceptron of joined features.

    Args:
        gated: CHGNet's ``GatedMLP``.
        parts: number of joined features.
    """

    def __init__(self, gated: Any, parts: int) -> None:
        self._core = _Branch(gated.mlp_core, gated.bn1, parts)
        self._gate = _Branch(gated.mlp_gate, gated.bn2, parts)

    def __call__(self, *parts: Part) -> Tensor:
        return silu(self._core(parts)) * sigmoid(self._gate(parts))


class FastNetwork:
    """Learned energies of batches.

    Args:
        model: CHGNet's model 0.3.0, whose weights are shared.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._atom_layers = [(_Gated(layer.twoBody_atom, 3), layer.mlp_out) for layer in model.atom_conv_layers]
        self._bond_layers = [(_Gated(layer.twoBody_bond, 4), layer.mlp_out) for layer in model.bond_conv_layers]
        self._angle_layers = [_Gated(layer.twoBody_bond, 4) for layer in model.angle_layers[:-1]]

    def energies(self, batch: GraphBatch) -> Tensor:
        """Return the learned part of the energies (B,), eV per cell."""
        model = self._model
        atoms = model.atom_embedding(batch.numbers - 1)
        bonds = model.bond_embedding(batch.bond_bases)
        weights = model.bond_weights_ag(batch.bond_bases).index_select(0, batch.undirected)
        angle_weights = model.bond_weights_bg(batch.short_bases)
        angles = model.angle_embedding(batch.angle_bases)
        for layer, (convolve, out) in enumerate(self._bond_layers):
            atoms = self._convolved(layer, batch, atoms, bonds, weights)
            if not len(angles):
                continue
            short = bonds.index_select(0, batch.short)
            messages = convolve((short, batch.first), (short, batch.second), (angles, None), (atoms, batch.centres))
            messages = messages * angle_weights.index_select(0, batch.second)
            sums = short.new_zeros(short.shape).index_add(0, batch.first, messages) * angle_weights
            bonds = bonds.index_add(0, batch.short, out(sums))
            if layer < len(self._angle_layers):
                short = bonds.index_select(0, batch.short)
                update = self._angle_layers[layer]
                angles = angles + update(
                    (short, batch.first), (short, batch.second), (angles, None), (atoms, batch.centres)
                )
        atoms = self._convolved(len(self._bond_layers), batch, atoms, bonds, weights)
        sites = model.mlp(model.readout_norm(atoms)).view(-1)
        energies: Tensor = sites.new_zeros(batch.size).index_add(0, batch.owners, sites)
        return energies

    def _convolved(self, layer: int, batch: GraphBatch, atoms: Tensor, bonds: Tensor, weights: Tensor) -> Tensor:
        """Return the features of the atoms after a convolution over their bonds (N, 64)."""
        convolve, out = self._atom_layers[layer]
        ends = batch.bonds
        messages = convolve((atoms, ends[0]), (bonds, batch.undirected), (atoms, ends[1])) * weights
        updated: Tensor = atoms + out(atoms.new_zeros(atoms.shape).index_add(0, ends[0], messages))
        return updated
