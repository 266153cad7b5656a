"""CHGNet for many small relaxations: one backward pass per step, any number of structures in one evaluation.

CHGNet's own calculator computes the gradients for forces and stress separately, keeps the graph for second derivatives
and computes magnetic moments. Here one pass gives forces and stress, graphs are built with array operations
(``chgnet_graphs``), and the network multiplies less (``chgnet_network``); the values are the same up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from adit.relax.potentials.chgnet_graphs import Graph, batched, graph_of
from adit.relax.potentials.evaluators import Evaluator, Results, fed, quiet

if TYPE_CHECKING:
    from ase import Atoms

WEIGHTS = "0.3.0"
"""Version of the weights in CHGNet's package."""


class Network(Evaluator):
    """CHGNet's weights on one device.

    Args:
        device: name of the device in PyTorch; on the CPU, one thread is used.
    """

    def __init__(self, device: str) -> None:
        import torch

        if device == "cpu":
            torch.set_num_threads(1)
        with quiet():
            from chgnet.model.model import CHGNet

            from adit.relax.potentials.chgnet_network import FastNetwork

            model = CHGNet.load(model_name=WEIGHTS, use_device=device, verbose=False)
        model.eval().requires_grad_(False)
        self.device, self._model, self._network = device, model, FastNetwork(model)
        converter = model.graph_converter
        self._cutoff, self._angle_cutoff = converter.atom_graph_cutoff, converter.bond_graph_cutoff

    def evaluate(self, structures: Sequence[Atoms]) -> list[Results | Exception]:
        """Return energy, forces and stress of each structure (see ``Results``), or the error if it has no graph."""
        answers = self._graphs(structures)
        good = [number for number, answer in enumerate(answers) if not isinstance(answer, Exception)]
        if good:
            results = self._evaluate([structures[n] for n in good], [answers[n] for n in good])
            for number, result in zip(good, results, strict=True):
                answers[number] = result
        return answers

    def energies(self, structures: Sequence[Atoms]) -> list[float | Exception]:
        """Return the energy (eV per cell) of each structure, or its error, in a third of the time of ``evaluate``."""
        import torch

        answers = self._graphs(structures)
        good = [number for number, answer in enumerate(answers) if not isinstance(answer, Exception)]
        if good:
            graphs = [answers[number] for number in good]
            with torch.no_grad():
                learned = self._network.energies(batched(graphs, self._model, self.device))
            for number, energy in zip(good, (learned + self._of_elements(graphs)).cpu().tolist(), strict=True):
                answers[number] = energy
        return answers

    def _graphs(self, structures: Sequence[Atoms]) -> list[Any]:
        """Return the graph of each structure, or why there is none."""
        graphs: list[Any] = []
        for atoms in structures:
            try:
                graphs.append(graph_of(atoms, self._cutoff, self._angle_cutoff))
            except Exception as error:  # noqa: BLE001 - the search of neighbours raises many kinds; each is this structure's alone
                graphs.append(error)
        return graphs

    def _of_elements(self, graphs: Sequence[Graph]) -> Any:
        """Return the part of the energies (B,) that is a sum over elements, eV per cell."""
        import torch

        model = self._model.composition_model
        counts = np.stack([np.bincount(graph.numbers - 1, minlength=model.max_num_elements) for graph in graphs])
        with torch.no_grad():
            return model.fc(torch.from_numpy(counts).float().to(self.device)).view(-1)

    def _evaluate(self, structures: Sequence[Atoms], graphs: Sequence[Graph]) -> list[Results]:
        import torch
        from ase.stress import full_3x3_to_voigt_6_stress

        batch = batched(graphs, self._model, self.device)
        learned = self._network.energies(batch)
        slopes = torch.autograd.grad(learned.sum(), [batch.positions, batch.strains])
        on_atoms, on_cells = (slope.cpu().numpy().astype(float) for slope in slopes)
        energies = (learned.detach() + self._of_elements(graphs)).cpu().tolist()
        forces = np.split(-on_atoms, np.cumsum([len(atoms) for atoms in structures])[:-1])
        return [
            {
                "energy": energy,
                "free_energy": energy,
                "forces": force,
                "stress": full_3x3_to_voigt_6_stress(strain / atoms.get_volume()),
            }
            for atoms, energy, force, strain in zip(structures, energies, forces, on_cells, strict=True)
        ]


@cache
def network(device: str = "cpu") -> Network:
    """Return the network on a device, loaded once per process."""
    return Network(device)


def calculator(device: str = "cpu") -> Any:
    """Return a new ASE calculator (eV, eV/Å, eV/Å³); see ``evaluators.fed``."""
    return fed(network(device))
