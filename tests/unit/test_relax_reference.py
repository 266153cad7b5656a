"""Reference energies of the hull."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from adit import store
from adit.config import HullConfig, ReferenceStage, RelaxConfig
from adit.errors import DataError
from adit.relax import batch, reference
from adit.relax.chgnet import ENERGY_TAG, Relaxed
from adit.systems import AtomicSystem, Kind


def stage(kind: str, mirror: Path | None = None) -> ReferenceStage:
    hull = HullConfig(reference=kind)  # type: ignore[arg-type]
    return ReferenceStage(relax=RelaxConfig(), hull=hull, mirror=None if mirror is None else str(mirror))


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    entries = {
        "Na": {"energy": -2.6, "correction": 0.0, "composition": {"Na": 2.0}},
        "Cl": {"energy": -7.0, "correction": -0.4, "composition": {"Cl": 4.0}},
    }
    store.write_json(tmp_path / "hull" / "mp_elemental_reference_entries.json", entries)
    frame = pd.DataFrame(
        {
            "material_id": ["mp-22862", "mp-x"],
            "pretty_formula": ["NaCl", "NaXe"],
            "formation_energy_per_atom": [-2.1, 0.1],
        }
    )
    store.write_frame(tmp_path / "hull" / "mp20_formation_energies.parquet", frame)
    return tmp_path


def test_formation_energies_become_absolute_energies(mirror: Path, tmp_path: Path) -> None:
    out = tmp_path / "reference.parquet"
    reference.reference(stage("mp20-formation-energies", mirror), [], out, None, 1)
    table = store.read_frame(out).set_index("entry_id")
    assert tuple(store.read_frame(out).columns) == reference.COLUMNS
    assert table.loc["element-Na", "energy_per_atom"] == pytest.approx(-1.3)
    assert table.loc["mp-22862", "energy_per_atom"] == pytest.approx(-2.1 + (-1.3 - 1.85) / 2)
    assert json.loads(table.loc["mp-22862", "composition"]) == {"Cl": 1.0, "Na": 1.0}
    assert set(table["hull_tag"]) == {"vasp/PBE(+U)/MP2020"}
    assert list(table["is_element"]) == [True, True, False, False]


def test_an_entry_without_elemental_reference_is_a_row_with_a_reason(mirror: Path, tmp_path: Path) -> None:
    reference.reference(stage("mp20-formation-energies", mirror), [], tmp_path / "r.parquet", None, 1)
    row = store.read_frame(tmp_path / "r.parquet").set_index("entry_id").loc["mp-x"]
    assert row["status"] == "failed"
    assert "Xe" in row["reason"]
    assert np.isnan(row["energy_per_atom"])


@pytest.mark.parametrize("where", [None, "nowhere", "http://127.0.0.1:9"])
def test_a_missing_mirror_says_the_way_out(where: str | None, tmp_path: Path) -> None:
    settings = stage("mp20-formation-energies").model_copy(update={"mirror": where})
    with pytest.raises(DataError, match=r"hull\.reference: builtin") as error:
        reference.reference(settings, [], tmp_path / "r.parquet", None, 1)
    assert "\n" not in str(error.value)


def test_builtin_needs_the_builtin_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="builtin-crystals"):
        reference.reference(stage("builtin"), [Path("data/mp20.arrow")], tmp_path / "r.parquet", None, 1)


def test_builtin_keeps_failed_entries_with_their_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = np.eye(3) * 3.0
    systems = [
        AtomicSystem(name, Kind.CRYSTAL, np.array(z), np.zeros((len(z), 3)) + np.arange(len(z))[:, None], cell)
        for name, z in (("na", [11]), ("nacl", [11, 17]), ("po", [84]))
    ]
    store.write_systems(tmp_path / "builtin-crystals.arrow", systems, splits=["train", "val", "test"])

    def fake(given: list[AtomicSystem], limits: object, **options: object) -> list[Relaxed]:
        assert [s.system_id for s in given] == ["na", "nacl", "po"]
        return [
            Relaxed("converged", "", given[0], -1.3),
            Relaxed("unconverged", "fmax", given[1], -7.0),
            Relaxed("refused", "unknown"),
        ]

    monkeypatch.setattr(batch, "relax_all", fake)
    reference.reference(stage("builtin"), [tmp_path / "builtin-crystals.arrow"], tmp_path / "r.parquet", None, 1)
    table = store.read_frame(tmp_path / "r.parquet").set_index("entry_id")
    assert list(table["status"]) == ["converged", "unconverged", "refused"]
    assert list(table["formula"]) == ["Na", "NaCl", "Po"]
    assert table.loc["nacl", "energy_per_atom"] == pytest.approx(-3.5)
    assert np.isnan(table.loc["po", "energy_per_atom"])
    assert set(table["hull_tag"]) == {ENERGY_TAG}
