"""SevenNet's energies of many crystals: one pass over a batch, without forces.

SevenNet's calculator takes one crystal at a time and always computes forces and stress. The values are the same up to
rounding (``tests/unit/relax/test_potentials.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from adit.relax.potentials.evaluators import ByCalculator

if TYPE_CHECKING:
    from ase import Atoms

FORCES = "force_output"
"""Name of the last module of SevenNet's network, which computes forces and stress."""


class SevenNet(ByCalculator):
    """Evaluator of SevenNet.

    Args:
        calculator: SevenNet's ASE calculator.
    """

    def energies(self, structures: Sequence[Atoms]) -> list[float | Exception]:
        """Return the energy (eV per cell) of each structure, or its error, in a third of the time of ``evaluate``."""
        graphs = [self._graph(atoms) for atoms in structures]
        good = [number for number, graph in enumerate(graphs) if graph is not None]
        energies: dict[int, float] = {}
        try:
            if good:
                energies = dict(zip(good, self._of_batch([graphs[number] for number in good]), strict=True))
        except (RuntimeError, ValueError):
            pass  # one structure is at fault: each is evaluated alone
        alone = [number for number in range(len(structures)) if number not in energies]
        singles = super().energies([structures[number] for number in alone])
        answers: dict[int, float | Exception] = {**energies, **dict(zip(alone, singles, strict=True))}
        return [answers[number] for number in range(len(structures))]

    def _graph(self, atoms: Atoms) -> Any:
        """Return the graph of a structure; ``None`` if it has an unknown element, or no bonds."""
        from sevenn.atom_graph_data import AtomGraphData
        from sevenn.train.dataload import unlabeled_atoms_to_graph

        try:
            self._calculator.set_atoms(atoms)
            arrays = unlabeled_atoms_to_graph(atoms, self._calculator.cutoff, with_shift=False)
        except Exception:  # noqa: BLE001 - the search of neighbours raises many kinds; the calculator repeats and says it
            return None
        graph = AtomGraphData.from_numpy_dict(arrays)
        return graph if graph.edge_index.shape[1] else None

    def _of_batch(self, graphs: Sequence[Any]) -> list[float]:
        """Return the energies (eV per cell) of graphs."""
        import torch
        from sevenn import _keys
        from torch_geometric.data import Batch  # type: ignore[import-untyped]

        calculator = self._calculator
        network = calculator.model
        batch = Batch.from_data_list(list(graphs)).to(calculator.device)
        network.set_is_batch_data(True)
        try:
            with torch.no_grad():
                batch = network._preprocess(batch)
                for name, module in network.named_children():
                    batch = batch if name == FORCES else module(batch)
        finally:
            network.set_is_batch_data(False)
        energies: list[float] = batch[_keys.PRED_TOTAL_ENERGY].view(-1).tolist()
        return energies
