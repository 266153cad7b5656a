"""VASP with the Materials Project's inputs, as atomate2 writes them: the flow and its results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adit import convert
from adit.columns import Col
from adit.errors import ConfigError
from adit.relax.dft.engines.corrections import corrected_entries
from adit.relax.dft.engines.presets import VaspPreset
from adit.relax.potentials.divergence import cell_divergence, divergence, largest_force
from adit.systems import AtomicSystem, Kind
from adit.units import EV_PER_ANGSTROM3_IN_GPA

KBAR_IN_GPA = 0.1
"""One kbar in GPa."""

CUSTODIAN = {"polling_time_step": 1.0, "monitor_freq": 300}
"""Settings of custodian, s. It asks every second whether VASP has ended (default 10, which costs half a minute per
structure), and checks a running job for errors every five minutes (the default)."""


def flow_maker(preset: VaspPreset, command: str | None = None, unpaired: int = 0) -> Any:
    """Return the maker of the flow: two relaxations and a static run.

    Args:
        preset: mp-gga (PBE(+U), the method of the MP2020 corrections) or mp-r2scan.
        command: command that starts VASP; ``None``: atomate2's ``VASP_CMD``.
        unpaired: number of unpaired electrons of a molecule.
    """
    from atomate2.vasp.flows.mp import MPGGADoubleRelaxStaticMaker, MPMetaGGADoubleRelaxStaticMaker

    maker = MPGGADoubleRelaxStaticMaker() if preset.flow == "mp-gga" else MPMetaGGADoubleRelaxStaticMaker()
    run: dict[str, Any] = {"custodian_kwargs": CUSTODIAN}
    if command is not None:
        run |= {"vasp_cmd": command, "vasp_gamma_cmd": command}
    maker = maker.update_kwargs({"run_vasp_kwargs": run}, class_filter=_vasp_maker())
    return _for_molecules(maker, unpaired) if preset.molecules else maker


def _for_molecules(maker: Any, unpaired: int) -> Any:
    """Return the flow with a fixed cell, one k-point, no U and a dipole correction of the box."""
    from atomate2.vasp.powerups import update_user_incar_settings, update_user_kpoints_settings
    from pymatgen.io.vasp.inputs import Kpoints

    settings = {
        "ISIF": 2,
        "ISMEAR": 0,
        "SIGMA": 0.01,
        "ISYM": 0,
        "LDAU": False,
        "LDIPOL": True,
        "IDIPOL": 4,
        "DIPOL": [0.5, 0.5, 0.5],
        "ISPIN": 2 if unpaired else 1,
        "MAGMOM": None,
        "NUPDOWN": unpaired if unpaired else None,
    }
    maker = update_user_incar_settings(maker, settings)
    return update_user_kpoints_settings(maker, Kpoints.gamma_automatic((1, 1, 1)))


VACUUM = 6.0
"""Distance from the outermost atoms of a molecule to the walls of its box, Å; between images it is twice that."""


def boxed(molecule: Any) -> Any:
    """Return a pymatgen molecule in the middle of a box, as the periodic structure that VASP needs.

    Raises:
        ConfigError: the molecule is charged, which a background charge of the periodic cell would compensate.
    """
    if molecule.charge:
        raise ConfigError(f"a molecule of charge {molecule.charge:+g}: VASP computes neutral ones here; use gpaw")
    positions = molecule.cart_coords
    edges = np.ptp(positions, axis=0) + 2 * VACUUM
    places = positions - (positions.max(axis=0) + positions.min(axis=0)) / 2 + edges / 2
    numbers = np.array([site.specie.Z for site in molecule])
    return convert.to_structure(AtomicSystem("boxed", Kind.CRYSTAL, numbers, places, np.diag(edges)))


def _vasp_maker() -> Any:
    from atomate2.vasp.jobs.base import BaseVaspMaker

    return BaseVaspMaker


def result_of(documents: Sequence[Any], preset: VaspPreset) -> dict[str, Any]:
    """Return the scientific part of ``result.json``: energy (eV), forces (eV/Å), stress (eV/Å³).

    Args:
        documents: task documents of the flow in order, the static run last.
        preset: settings of the flow.

    Raises:
        DataError: MP2020 has no correction for an oxide.
    """
    last = documents[-1]
    output = last.output
    forces = None if output.forces is None else np.array(output.forces, dtype=float)
    stress = None if output.stress is None else -np.array(output.stress) * KBAR_IN_GPA / EV_PER_ANGSTROM3_IN_GPA
    energy: float | None = float(output.energy)
    correction: float | None = None
    if preset.flow == "mp-gga" and not preset.molecules:
        corrected = corrected_entries([last.structure_entry])
        energy, correction = corrected.energies[0], corrected.corrections[0]
        if energy is not None:
            corrected.check("the static run")
    versions = [calculation.vasp_version for calculation in last.calcs_reversed or []]
    common: dict[str, Any] = {
        Col.CODE_VERSION: str(versions[0]) if versions else "unknown",
        Col.N_STEPS: sum(_ionic_steps(document) for document in documents),
        Col.WARNINGS: [message for document in documents for message in _mended(document)],
    }
    if energy is None or not np.isfinite(energy):
        return {**common, Col.STATUS: "failed", Col.REASON: "the MP2020 corrections do not apply to this calculation"}
    if not preset.molecules and (runaway := _runaway(documents, absolute=preset.flow == "mp-gga")):
        return {**common, Col.STATUS: "failed", Col.REASON: runaway}
    system = convert.from_structure(output.structure, "structure")
    cell = None if preset.molecules else system.cell
    return {
        **common,
        Col.STATUS: "converged",
        Col.REASON: "",
        Col.ENERGY: energy,
        Col.CORRECTION: correction,
        Col.FMAX: None if forces is None else float(np.linalg.norm(forces, axis=1).max()),
        "structure": {
            "numbers": system.numbers.tolist(),
            "positions": system.positions.tolist(),
            "cell": None if cell is None else cell.tolist(),
        },
        "forces": None if forces is None else forces.tolist(),
        "stress": None if stress is None else stress.tolist(),
    }


def _runaway(documents: Sequence[Any], *, absolute: bool) -> str | None:
    """Return why one of the runs diverged, or ``None``.

    Args:
        documents: task documents of the flow, in order.
        absolute: whether the zero of energy is free atoms (not for r2SCAN with POTCARs of PBE).
    """
    calculations = [c for document in documents for c in (document.calcs_reversed or [])[::-1]]
    ionic = [step for calculation in calculations for step in calculation.output.ionic_steps or []]
    for steps, step in enumerate(ionic):
        if step.structure is None or step.forces is None or step.e_0_energy is None:
            continue
        atoms = len(step.structure)
        energy = step.e_0_energy / atoms if absolute else 0.0
        reason = cell_divergence(step.structure.volume / atoms, steps)
        reason = reason or divergence(energy, largest_force(step.forces), steps)
        if reason is not None:
            return reason
    return None


def _ionic_steps(document: Any) -> int:
    return sum(len(calculation.output.ionic_steps or []) for calculation in document.calcs_reversed or [])


def _mended(document: Any) -> list[str]:
    """Return the errors that custodian corrected, one line each."""
    return [
        f"{document.task_label}: custodian corrected {', '.join(map(str, correction.get('errors') or ['an error']))}"
        for run in document.custodian or []
        for correction in getattr(run, "corrections", None) or []
    ]


def last_words(run: Path) -> str:
    """Return the last line that VASP wrote, for the reason of a failure; empty if there is none.

    Args:
        run: folder of the flow; each job has a subfolder.
    """
    jobs = sorted(run.glob("job_*"), key=lambda path: path.stat().st_mtime)
    for job in jobs[::-1][:1]:
        for name in ("std_err.txt", "vasp.out"):
            path = job / name
            lines = path.read_text(encoding="utf-8", errors="replace").split("\n") if path.is_file() else []
            words = [" ".join(line.split()) for line in lines if line.strip()]
            if words:
                return words[-1][:200]
    return ""
