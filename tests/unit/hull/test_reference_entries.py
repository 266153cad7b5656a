"""Reference energies of the hull."""

from __future__ import annotations

import gzip
import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from adit import store
from adit.api.references import public_files
from adit.config import HullConfig, ReferenceStage, RelaxConfig
from adit.data.sources.retries import Patience
from adit.errors import DataError
from adit.hull import materials_project, reference
from adit.hull.reference_rows import COLUMNS
from adit.relax.potentials import batch
from adit.relax.potentials.chgnet import ENERGY_TAG
from adit.relax.potentials.outcome import Relaxed
from adit.systems import AtomicSystem, Kind


def stage(kind: str, entries: Path | None = None) -> ReferenceStage:
    hull = HullConfig(reference=kind, entries=None if entries is None else str(entries))  # type: ignore[arg-type]
    return ReferenceStage(relax=RelaxConfig(), hull=hull)


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
    reference.reference(stage("mp20-formation-energies"), [], out, None, 1, public_files(str(mirror)))
    table = store.read_frame(out).set_index("entry_id")
    assert tuple(store.read_frame(out).columns) == COLUMNS
    assert table.loc["element-Na", "energy_per_atom"] == pytest.approx(-1.3)
    assert table.loc["mp-22862", "energy_per_atom"] == pytest.approx(-2.1 + (-1.3 - 1.85) / 2)
    assert json.loads(table.loc["mp-22862", "composition"]) == {"Cl": 1.0, "Na": 1.0}
    assert set(table["hull_tag"]) == {"vasp/PBE(+U)/MP2020"}
    assert list(table["is_element"]) == [True, True, False, False]


def test_an_entry_without_elemental_reference_is_a_row_with_a_reason(mirror: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.parquet"
    reference.reference(stage("mp20-formation-energies"), [], out, None, 1, public_files(str(mirror)))
    row = store.read_frame(tmp_path / "r.parquet").set_index("entry_id").loc["mp-x"]
    assert row["status"] == "failed"
    assert "Xe" in row["reason"]
    assert np.isnan(row["energy_per_atom"])


@pytest.mark.parametrize("where", [None, "nowhere", "http://127.0.0.1:9"])
def test_a_missing_mirror_says_the_way_out(where: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("adit.data.sources.download.Patience", lambda: Patience(attempts=1, sleep=lambda _: None))
    with pytest.raises(DataError, match=r"hull\.reference: builtin") as error:
        reference.reference(stage("mp20-formation-energies"), [], tmp_path / "r.parquet", None, 1, public_files(where))
    assert "\n" not in str(error.value)
    with pytest.raises(DataError, match=r"hull\.reference: builtin"):
        reference.reference(stage("mp20-formation-energies"), [], tmp_path / "r.parquet", None, 1)


# --- the Materials Project's phase diagram ----------------------------------------------------------------------------


def small_diagram() -> Any:
    """A patched phase diagram of Na-Cl and Na-K; pymatgen's own class, as published."""
    from pymatgen.analysis.phase_diagram import PatchedPhaseDiagram
    from pymatgen.core import Composition
    from pymatgen.entries.computed_entries import ComputedEntry

    energies = {
        "Na": -1.3,
        "Na2": -2.0,
        "Cl": -1.8,
        "K": -1.1,
        "NaCl": -6.8,
        "Na2Cl2": -13.0,
        "NaCl3": -8.0,
        "NaK": -2.5,
    }
    entries = [ComputedEntry(Composition(f), e, entry_id=f"mp-{f}") for f, e in energies.items()]
    return PatchedPhaseDiagram(entries)


@pytest.fixture
def published(tmp_path: Path) -> tuple[Path, str, Any]:
    diagram = small_diagram()
    path = tmp_path / "2023-02-07-ppd-mp.pkl.gz"
    path.write_bytes(gzip.compress(pickle.dumps(diagram)))
    return path, hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest(), diagram


def test_the_published_diagram_gives_the_hull_that_it_is(
    published: tuple[Path, str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pymatgen.core import Composition

    from adit.hull.hull import read_reference

    path, md5, diagram = published
    monkeypatch.setitem(
        materials_project.READERS, "mp-2023-02-07", lambda find: materials_project.phase_diagram(find, md5)
    )
    out = tmp_path / "r.parquet"
    reference.reference(stage("mp-2023-02-07"), [], out, None, 1, lambda name: {"mp-phase-diagram": path}[name])
    read_back = read_reference(out)
    assert read_back.tag == "vasp/PBE(+U)/MP2020"
    for formula in ("NaCl", "NaCl3", "Na3Cl", "NaK", "NaK2", "Na", "Cl"):
        composition = Composition(formula)
        expected = diagram.get_hull_energy_per_atom(composition)
        assert read_back.energy_at({e.symbol: n for e, n in composition.items()}) == pytest.approx(expected)


def test_a_pickle_of_another_checksum_stays_shut(published: tuple[Path, str, Any], tmp_path: Path) -> None:
    """The file would create another file if it were opened."""
    path = tmp_path / "evil.pkl.gz"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "opened",))

    path.write_bytes(gzip.compress(pickle.dumps(Evil())))
    with pytest.raises(DataError, match="not opened, since a pickle is code"):
        reference.reference(stage("mp-2023-02-07"), [], tmp_path / "r.parquet", None, 1, lambda name: path)
    assert not (tmp_path / "opened").exists()


# --- your own entries -------------------------------------------------------------------------------------------------


def entry(formula: str, energy: float, run_type: str | None = "GGA") -> dict[str, Any]:
    from pymatgen.core import Composition

    parameters = {} if run_type is None else {"run_type": run_type, "hubbards": {}, "potcar_symbols": []}
    composition = Composition(formula).as_dict()
    return {
        "energy": energy,
        "composition": composition,
        "entry_id": formula,
        "correction": 0.0,
        "parameters": parameters,
    }


def test_own_entries_are_corrected_here(tmp_path: Path) -> None:
    path = tmp_path / "entries.json"
    store.write_json(path, [entry("Mg", -1.6), entry("O2", -10.0), entry("Mg4O4", -50.0)])
    reference.reference(stage("entries", path), [], tmp_path / "r.parquet", None, 1)
    table = store.read_frame(tmp_path / "r.parquet").set_index("entry_id")
    assert table.loc["Mg4O4", "energy_per_atom"] == pytest.approx((-50.0 - 4 * 0.687) / 8)
    assert table.loc["Mg", "energy_per_atom"] == pytest.approx(-1.6)


def test_nothing_that_an_entry_names_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pymatgen.core import Lattice, Structure

    (tmp_path / "planted.py").write_text("open('PWNED', 'w')\nmade = {}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    evil = {"@module": "planted", "@callable": "made"}
    rocksalt = Structure(Lattice.cubic(4.2), ["Mg", "O"], [[0, 0, 0], [0.5] * 3], site_properties={"x": [1, 2]})
    structure = rocksalt.as_dict()
    structure["sites"][0]["properties"] = {"x": evil}
    wrong = {**entry("Mg4O4", -12.5), "structure": structure, "energy_adjustments": [evil], "data": {"x": evil}}
    wrong["parameters"] = {**wrong["parameters"], "x": [evil]}
    store.write_json(tmp_path / "e.json", [entry("Mg", -1.6), entry("O2", -10.0), wrong])
    reference.reference(stage("entries", tmp_path / "e.json"), [], tmp_path / "r.parquet", None, 1)
    table = store.read_frame(tmp_path / "r.parquet").set_index("entry_id")
    assert table.loc["Mg4O4", "energy_per_atom"] == pytest.approx((-12.5 - 0.687) / 2)
    assert not (tmp_path / "PWNED").exists()


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([{"nonsense": 1}], "holds no computed entries"),
        ([], "holds no list"),
        ([entry("Mg", -1.6), entry("Mg4O4", -50.0, None)], "MP2020 corrections apply to 50.0%"),
    ],
)
def test_entries_that_cannot_be_corrected_are_refused(tmp_path: Path, entries: list[Any], words: str) -> None:
    path = tmp_path / "entries.json"
    store.write_json(path, entries)
    with pytest.raises(DataError, match=words):
        reference.reference(stage("entries", path), [], tmp_path / "r.parquet", None, 1)


def test_entries_need_a_file() -> None:
    with pytest.raises(ValueError, match=r"set hull\.entries"):
        HullConfig(reference="entries")


# --- the built-in set -------------------------------------------------------------------------------------------------


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
        by_id = {
            "na": Relaxed("converged", "", systems[0], -1.3),
            "nacl": Relaxed("unconverged", "fmax", systems[1], -7.0),
            "po": Relaxed("refused", "unknown"),
        }
        assert [each.system_id for each in given] == ["na", "po", "nacl"], "elements first"
        return [by_id[each.system_id] for each in given]

    monkeypatch.setattr(batch, "relax_all", fake)
    reference.reference(stage("builtin"), [tmp_path / "builtin-crystals.arrow"], tmp_path / "r.parquet", None, 1)
    table = store.read_frame(tmp_path / "r.parquet").set_index("entry_id")
    assert list(table["status"]) == ["converged", "unconverged", "refused"]
    assert list(table["formula"]) == ["Na", "NaCl", "Po"]
    assert table.loc["nacl", "energy_per_atom"] == pytest.approx(-3.5)
    assert np.isnan(table.loc["po", "energy_per_atom"])
    assert set(table["hull_tag"]) == {ENERGY_TAG}
