"""The sign and the unit of the stress that result.json holds: ASE's, positive under tension, eV/Å³.

VASP and atomate2's documents hold its negative in kbar.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from adit.relax.dft.engines.presets import read_preset
from adit.relax.dft.engines.vasp import result_of
from adit.relax.dft.job import _ase_result

KBAR = np.diag([16.02176634, 0.0, -32.04353268])
"""0.01 eV/Å³ of pressure along a, 0.02 eV/Å³ of tension along c."""
EXPECTED = np.diag([-0.01, 0.0, 0.02])


def output() -> SimpleNamespace:
    """Return what atomate2's task documents have of a calculation."""
    structure = Structure(Lattice.cubic(4.2), ["Mg"], [[0, 0, 0]])
    return SimpleNamespace(energy=-1.5, forces=[[0.0, 0.0, 0.0]], stress=KBAR.tolist(), structure=structure)


def test_stress_of_vasp() -> None:
    document = SimpleNamespace(output=output(), calcs_reversed=[], custodian=None, task_label="static")
    result = result_of([document], read_preset("vasp", "mp-r2scan"))  # type: ignore[arg-type]
    np.testing.assert_allclose(result["stress"], EXPECTED, rtol=1e-6, atol=1e-12)


def test_stress_of_engines_driven_through_ase() -> None:
    document = SimpleNamespace(output=output(), structure=output().structure)
    result = _ase_result(document, {"converged": True, "fmax": 0.01, "n_steps": 3}, 0.05)
    np.testing.assert_allclose(result["stress"], EXPECTED, rtol=1e-6, atol=1e-12)
    assert result["status"] == "converged"


@pytest.mark.parametrize("reached", [None, 0.2])
def test_a_relaxation_that_did_not_converge_says_how_far_it_came(reached: float | None) -> None:
    document = SimpleNamespace(output=output(), structure=output().structure)
    result = _ase_result(document, {"converged": False, "fmax": reached, "n_steps": 3}, 0.05)
    assert result["status"] == "unconverged"
    assert ("unknown" if reached is None else "0.200 eV/Å") in result["reason"]
