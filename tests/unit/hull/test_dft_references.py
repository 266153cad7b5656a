"""A hull of the DFT energies' own: which references, and that energies of equal tags meet on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from adit import store
from adit.config import DftConfig, DftStage, HullConfig, HullStage
from adit.data.datasets.builtin_crystals import builtin_elements
from adit.errors import DataError
from adit.hull import dft_references
from adit.hull.dft_references import candidates, chemical_systems, choose
from adit.hull.hull import hull
from adit.relax.dft.engines.registry import resolve
from adit.relax.dft.task import DftTask
from adit.systems import AtomicSystem, Failure, Kind

PRESETS = Path(__file__).parents[3] / "config" / "dft"
ENERGIES = {
    "na": -1.3,
    "na-high": -1.0,
    "cl": -1.8,
    "nacl": -3.6,
    "nacl-high": -3.2,
    "nacl3": -2.0,
    "zn": -1.1,
    "k": -1.0,
}
"""eV/atom, of the pre-relaxation."""


def crystal(name: str, numbers: list[int]) -> AtomicSystem:
    n = len(numbers)
    return AtomicSystem(name, Kind.CRYSTAL, np.array(numbers), np.arange(3 * n).reshape(n, 3) * 1.7, np.eye(3) * 4 * n)


DATA = [
    Failure("lost", "prepare", "failure rows stand anywhere in a file of data", Kind.CRYSTAL),
    crystal("na", [11]),
    crystal("na-high", [11, 11]),
    crystal("nacl", [11, 17]),
    crystal("nacl-high", [11, 17, 11, 17]),
    crystal("nacl3", [11, 17, 17, 17]),
    crystal("zn", [30]),
    crystal("big", [11] * 21),
]
ELEMENTS = [crystal("cl", [17, 17]), crystal("k", [19])]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two structures that DFT relaxed, one that failed, and a dataset."""
    engine = resolve(stage(), PRESETS)
    rows = [crystal("s0", [11, 17]), crystal("s1", [11, 11, 17]), Failure("s2", "dft", "failed: SCF", Kind.CRYSTAL)]
    store.write_systems(tmp_path / "0.arrow", rows)
    table = pd.DataFrame({"system_id": ["s0", "s1", "s2"], "status": ["converged", "converged", "failed"]})
    table["energy_per_atom"], table["reason"], table["energy_tag"] = [-60.0, -50.0, np.nan], "", engine.energy_tag
    store.write_frame(tmp_path / "0.parquet", table)
    store.write_systems(tmp_path / "data.arrow", DATA)
    monkeypatch.setattr(
        dft_references, "_energies", lambda pool, workers: {s.system_id: ENERGIES[s.system_id] for s in pool}
    )
    return tmp_path


def stage(**settings: Any) -> DftStage:
    values = {"engine": "gfn1-xtb", "preset": "demo", "references": "competing", **settings}
    return DftStage(dft=DftConfig(**values))


def test_candidates_lie_inside_the_chemical_systems(files: Path) -> None:
    systems = chemical_systems([files / "0.parquet"])
    assert systems == {frozenset({"Na", "Cl"})}
    names = [system.system_id for system in candidates([files / "data.arrow"], ELEMENTS, systems)]
    assert names == ["na", "na-high", "nacl", "nacl-high", "nacl3", "cl"]
    assert candidates([files / "data.arrow"], ELEMENTS, set()) == []


@pytest.mark.parametrize(
    ("which", "window", "names"),
    [
        ("elements", 0.05, {"na", "cl"}),
        ("competing", 0.05, {"na", "cl", "nacl"}),
        ("competing", 1.0, {"na", "cl", "nacl", "nacl3"}),
    ],
)
def test_of_each_composition_the_lowest_and_what_is_near_the_hull(
    files: Path, which: str, window: float, names: set[str]
) -> None:
    systems = {frozenset({"Na", "Cl"})}
    wanted = candidates([files / "data.arrow"], ELEMENTS, systems)
    assert {system.system_id for system in choose(wanted, systems, which, window, 1)} == names


def test_without_an_element_every_compound_competes(files: Path) -> None:
    systems = {frozenset({"Na", "Cl"})}
    wanted = candidates([files / "data.arrow"], [], systems)
    assert {s.system_id for s in choose(wanted, systems, "competing", 0.0, 1)} == {"na", "nacl", "nacl3"}


def test_energies_of_one_method_meet_on_their_own_hull(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine gives other energies than the pre-relaxation; one element has none."""
    computed = {"na": -44.0, "cl": -70.0, "nacl": -59.0}
    requested: list[DftTask] = []

    def fake(tasks: list[DftTask], **_: object) -> dict[str, dict[str, Any]]:
        requested.extend(tasks)
        return {
            task.system.system_id: {
                "status": "converged",
                "reason": "",
                "energy_per_atom": computed[task.system.system_id],
            }
            for task in tasks
        }

    monkeypatch.setattr(dft_references, "run_tasks", fake)
    out = files / "references.parquet"
    arguments = ([files / "0.parquet"], [files / "data.arrow"], ELEMENTS, files / "dft", out, 1, PRESETS)
    dft_references.dft_references(stage(), *arguments)
    assert [task.folder.parent.name for task in requested] == ["references"] * 3
    hull(HullStage(hull=HullConfig()), [files / "0.parquet"], out, files / "hull.parquet")
    table = store.read_frame(files / "hull.parquet").set_index("system_id")
    assert not table["surrogate"].any()
    assert table.loc["s0", "e_above_hull"] == pytest.approx(-1.0)
    assert table.loc["s1", "e_above_hull"] == pytest.approx(-50.0 - (2 * -59.0 - 44.0) / 3)
    assert bool(table.loc["s0", "hull_covers_chemistry"])
    other = stage(preset="standard")
    dft_references.dft_references(other, *arguments)
    with pytest.raises(DataError, match="cannot be compared"):
        hull(HullStage(hull=HullConfig()), [files / "0.parquet"], out, files / "hull.parquet")


def test_references_that_fail_leave_rows_without_energy(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(tasks: list[DftTask], **_: object) -> dict[str, dict[str, Any]]:
        return {t.system.system_id: {"status": "failed", "reason": "SCF", "energy_per_atom": None} for t in tasks}

    monkeypatch.setattr(dft_references, "run_tasks", fail)
    out = files / "references.parquet"
    dft_references.dft_references(
        stage(), [files / "0.parquet"], [files / "data.arrow"], ELEMENTS, files / "dft", out, 1, PRESETS
    )
    assert list(store.read_frame(out)["status"]) == ["failed"] * 3
    hull(HullStage(hull=HullConfig()), [files / "0.parquet"], out, files / "hull.parquet")
    table = store.read_frame(files / "hull.parquet").set_index("system_id")
    assert table["e_above_hull"].isna().all()
    assert "no reference energy of element" in table.loc["s0", "reason"]


def test_nothing_that_dft_relaxed_needs_no_reference(files: Path) -> None:
    store.write_systems(files / "0.arrow", [])
    store.write_frame(files / "0.parquet", store.read_frame(files / "0.parquet").head(0))
    out = files / "references.parquet"
    dft_references.dft_references(
        stage(), [files / "0.parquet"], [files / "data.arrow"], ELEMENTS, files / "dft", out, 1, PRESETS
    )
    assert len(store.read_frame(out)) == 0
    hull(HullStage(hull=HullConfig()), [files / "0.parquet"], out, files / "hull.parquet")
    assert len(store.read_frame(files / "hull.parquet")) == 0


def test_energies_that_decide_are_chgnets() -> None:
    energies = dft_references._energies([crystal("po", [84]), AtomicSystem(
        "na", Kind.CRYSTAL, np.array([11]), np.zeros((1, 3)), 2.1 * np.array([[-1.0, 1, 1], [1, -1, 1], [1, 1, -1]])
    )], 1)  # fmt: skip
    assert np.isnan(energies["po"])
    assert energies["na"] == pytest.approx(-1.3, abs=0.1)


def test_every_common_element_has_a_crystal() -> None:
    """What the pipeline falls back to where no dataset holds an element."""
    from adit.elements import symbol

    elements = {symbol(int(system.numbers[0])) for system in builtin_elements()}
    assert {"H", "Li", "C", "N", "O", "F", "Na", "Mg", "Al", "Si", "P", "S", "Cl", "Fe", "Cu", "Zn", "Br"} <= elements
