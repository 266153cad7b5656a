"""CHGNet for many small relaxations: one backward pass per step, any number of structures in one evaluation.

CHGNet's own calculator computes the gradients for forces and stress separately, keeps the graph for second derivatives
and computes magnetic moments. Here one pass gives forces and stress, in 0.55 of the time and with the same values.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

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

            model = CHGNet.load(model_name=WEIGHTS, use_device=device, verbose=False)
        model.eval().requires_grad_(False)
        model.graph_converter.set_isolated_atom_response("error")
        self.device, self._model = device, model

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
        from chgnet.model.model import BatchedGraph

        model, answers = self._model, self._graphs(structures)
        good = [number for number, answer in enumerate(answers) if not isinstance(answer, Exception)]
        if good:
            graphs = [answers[number] for number in good]
            with torch.no_grad():
                batch = BatchedGraph.from_graphs(graphs, model.bond_basis_expansion, model.angle_basis_expansion)
                energies = model._compute(batch)["e"].view(-1) + model.composition_model(graphs).view(-1)
            for number, energy in zip(good, energies.cpu().tolist(), strict=True):
                answers[number] = energy * len(structures[number])
        return answers

    def _graphs(self, structures: Sequence[Atoms]) -> list[Any]:
        """Return the graph of each structure, or why there is none."""
        from pymatgen.io.ase import AseAtomsAdaptor

        graphs: list[Any] = []
        for atoms in structures:
            try:
                graphs.append(self._model.graph_converter(AseAtomsAdaptor.get_structure(atoms)).to(self.device))
            except Exception as error:  # noqa: BLE001 - graph building raises many kinds; each is this structure's alone
                graphs.append(error)
        return graphs

    def _evaluate(self, structures: Sequence[Atoms], graphs: list[Any]) -> list[Results]:
        import torch
        from ase.stress import full_3x3_to_voigt_6_stress
        from chgnet.model.model import BatchedGraph

        model = self._model
        batch = BatchedGraph.from_graphs(
            graphs, model.bond_basis_expansion, model.angle_basis_expansion, compute_stress=True
        )
        n_atoms = torch.tensor([len(atoms) for atoms in structures], device=self.device)
        learned = model._compute(batch)["e"].view(-1) * n_atoms
        wanted = [*batch.atom_positions, *batch.strains]
        slopes = [slope.cpu().numpy().astype(float) for slope in torch.autograd.grad(learned.sum(), wanted)]
        energies = (learned.detach() + model.composition_model(graphs).view(-1) * n_atoms).cpu().tolist()
        forces, strains = slopes[: len(structures)], slopes[len(structures) :]
        return [
            {
                "energy": energy,
                "free_energy": energy,
                "forces": -force,
                "stress": full_3x3_to_voigt_6_stress(strain / atoms.get_volume()),
            }
            for atoms, energy, force, strain in zip(structures, energies, forces, strains, strict=True)
        ]


@cache
def network(device: str = "cpu") -> Network:
    """Return the network on a device, loaded once per process."""
    return Network(device)


def calculator(device: str = "cpu") -> Any:
    """Return a new ASE calculator (eV, eV/Å, eV/Å³); see ``evaluators.fed``."""
    return fed(network(device))
