"""VASP with the Materials Project's inputs, as atomate2 writes them: the flow, and the inputs alone for checking."""

from __future__ import annotations

from typing import Any

import numpy as np

from adit import convert
from adit.relax.presets import VaspPreset

CUSTODIAN = {"polling_time_step": 1.0, "monitor_freq": 300}
"""custodian asks every second whether VASP has ended (10 by default: half a minute lost a structure), and looks for
errors of a running one every five minutes, as by default."""


def flow_maker(preset: VaspPreset, command: str | None = None) -> Any:
    """Return the flow: two relaxations and a static run.

    Args:
        preset: mp-gga (PBE(+U), what MP2020 corrections belong to) or mp-r2scan.
        command: how VASP is started; ``None`` for atomate2's ``VASP_CMD``.
    """
    from atomate2.vasp.flows.mp import MPGGADoubleRelaxStaticMaker, MPMetaGGADoubleRelaxStaticMaker

    maker = MPGGADoubleRelaxStaticMaker() if preset.flow == "mp-gga" else MPMetaGGADoubleRelaxStaticMaker()
    run: dict[str, Any] = {"custodian_kwargs": CUSTODIAN}
    if command is not None:
        run |= {"vasp_cmd": command, "vasp_gamma_cmd": command}
    return maker.update_kwargs({"run_vasp_kwargs": run}, class_filter=_vasp_maker())


def _vasp_maker() -> Any:
    from atomate2.vasp.jobs.base import BaseVaspMaker

    return BaseVaspMaker


def input_set(structure: Any, preset: VaspPreset) -> Any:
    """Return the inputs of the first relaxation with ``POTCAR.spec`` in place of the licensed POTCAR."""
    first = flow_maker(preset).relax_maker.relax_maker1
    return first.input_set_generator.get_input_set(structure, potcar_spec=True)


def corrected_energy(entry: Any) -> float | None:
    """Return the energy (eV for the cell) of a computed entry with MP2020 corrections; ``None`` where they refuse it.

    Source: Wang et al. 2021, doi 10.1038/s41598-021-94550-5, as implemented in pymatgen.
    """
    from pymatgen.entries.compatibility import MaterialsProject2020Compatibility

    processed = MaterialsProject2020Compatibility(check_potcar=False).process_entry(entry, inplace=False)
    return None if processed is None else float(processed.energy)


def result_of(document: Any, preset: VaspPreset) -> dict[str, Any]:
    """Return the scientific part of ``result.json`` from the task document of the static run."""
    output = document.output
    forces = None if output.forces is None else np.array(output.forces, dtype=float)
    energy: float | None = float(output.energy)
    if preset.flow == "mp-gga":
        energy = corrected_energy(document.structure_entry)
    if energy is None or not np.isfinite(energy):
        return {"status": "failed", "reason": "the MP2020 corrections do not apply to this calculation"}
    system = convert.from_structure(output.structure, "structure")
    cell = None if system.cell is None else system.cell.tolist()
    return {
        "status": "converged",
        "reason": "",
        "energy": energy,
        "fmax": None if forces is None else float(np.linalg.norm(forces, axis=1).max()),
        "n_steps": sum(len(calculation.output.ionic_steps or []) for calculation in document.calcs_reversed or []),
        "structure": {"numbers": system.numbers.tolist(), "positions": system.positions.tolist(), "cell": cell},
        "forces": None if forces is None else forces.tolist(),
        "stress": None,
    }
