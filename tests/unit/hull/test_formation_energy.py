"""The formation energy of a compound whose elements have unequal amounts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from adit import store
from adit.config import HullConfig, HullStage
from adit.hull.hull import hull
from adit.systems import AtomicSystem, Kind

TAG = "vasp/PBE(+U)/MP2020"
REFERENCES = {"Na": -1.3, "Cl": -1.8}
"""eV/atom."""


def test_the_formation_energy_is_per_atom_not_per_element(tmp_path: Path) -> None:
    """NaCl3: the elements weigh 1/4 and 3/4; a mean over the elements would divide by 2."""
    reference = pd.DataFrame(
        {
            "composition": [f'{{"{element}": 1.0}}' for element in REFERENCES],
            "energy_per_atom": list(REFERENCES.values()),
            "status": "converged",
            "hull_tag": TAG,
        }
    )
    store.write_frame(tmp_path / "reference.parquet", reference)
    salt = AtomicSystem(
        "s", Kind.CRYSTAL, np.array([11, 17, 17, 17]), np.diag([0.0, 1.0, 2.0, 3.0])[:, :3], np.eye(3) * 5
    )
    store.write_systems(tmp_path / "relaxed.arrow", [salt])
    row = {"system_id": "s", "energy_per_atom": -3.0, "status": "converged", "reason": "", "energy_tag": TAG}
    store.write_frame(tmp_path / "relaxed.parquet", pd.DataFrame([row]))
    stage = HullStage(hull=HullConfig(reference="builtin"))
    hull(stage, [tmp_path / "relaxed.parquet"], tmp_path / "reference.parquet", tmp_path / "hull.parquet")
    placed = store.read_frame(tmp_path / "hull.parquet").iloc[0]
    assert placed["formation_energy_per_atom"] == pytest.approx(-3.0 - (-1.3 * 1 - 1.8 * 3) / 4)
