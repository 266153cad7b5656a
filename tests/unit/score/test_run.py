"""The score stage from files to files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from adit import store
from adit.columns import Population
from adit.config import Config, ScoreConfig, ScoreStage
from adit.errors import DataError
from adit.isolate import Outcome
from adit.posebusters import POSEBUSTERS_COLUMNS, posebusters_name
from adit.score.common.inputs import read_energies
from adit.score.crystals.table import crystal_rows
from adit.score.matching.matcher import Matches
from adit.score.molecules.novelty import KnownNames
from adit.score.molecules.table import NO_BONDING, Evidence, molecule_rows
from adit.score.score import score
from adit.systems import AtomicSystem, Failure, Kind

STAGE = Config(score=ScoreConfig(controls=2, posebusters=3, wall_limit_s=60)).stage(ScoreStage)


def salt(system_id: str, cation: int, anion: int, a: float) -> AtomicSystem:
    """Return rock salt in its primitive cell."""
    cell = (np.ones((3, 3)) - np.eye(3)) * a / 2
    return AtomicSystem(system_id, Kind.CRYSTAL, np.array([cation, anion]), np.array([[0, 0, 0], [a / 2] * 3]), cell)


def water(system_id: str, stretch: float = 1.0) -> AtomicSystem:
    positions = np.array([[0, 0, 0.119], [0, 0.763, -0.477], [0, -0.763, -0.477]]) * stretch
    return AtomicSystem(system_id, Kind.MOLECULE, np.array([8, 1, 1]), positions)


def ammonia(system_id: str) -> AtomicSystem:
    positions = [[0, 0, 0.12], [0, 0.94, -0.27], [0.81, -0.47, -0.27], [-0.81, -0.47, -0.27]]
    return AtomicSystem(system_id, Kind.MOLECULE, np.array([7, 1, 1, 1]), np.array(positions))


FLAT = AtomicSystem(
    "x-5", Kind.CRYSTAL, np.array([26]), np.zeros((1, 3)), np.array([[1e-4, 0, 0], [0, 1e3, 0], [0, 0, 1e3]])
)

CRYSTALS = [
    salt("x-0", 12, 8, 4.2),  # MgO: stable, novel
    salt("x-1", 12, 8, 4.25),  # MgO again
    salt("x-2", 11, 17, 5.64),  # NaCl: stable, in the training set
    salt("x-3", 20, 8, 4.8),  # CaO: metastable, in the test set
    salt("x-4", 19, 9, 5.3),  # KF: stable, did not converge
    FLAT,
    Failure("x-6", "decode", "lengths 0.1 Å span no cell", Kind.CRYSTAL),
]
ENERGY = {"x-0": -0.3, "x-1": -0.2, "x-2": -0.5, "x-3": 0.05, "x-4": -1.0}
MOLECULES = [water("m-0"), water("m-1", 1.01), ammonia("m-2"), water("m-3", 5.0), Failure("m-4", "decode", "no atoms")]


def write_inputs(folder: Path, *, surrogate: bool) -> dict[str, Any]:
    store.write_systems(folder / "x.arrow", CRYSTALS)
    store.write_systems(folder / "m.arrow", MOLECULES)
    references = [
        salt("d-0", 11, 17, 5.6),
        salt("d-1", 3, 9, 4.0),
        salt("d-2", 20, 8, 4.81),
        water("d-3"),
        ammonia("d-4"),
    ]
    store.write_systems(folder / "data.arrow", references, splits=["train", "train", "test", "train", "test"])
    relaxed, hull = [], []
    for row in CRYSTALS:
        energy = ENERGY.get(row.system_id, float("nan"))
        status = "unconverged" if row.system_id == "x-4" else "converged" if energy == energy else "refused"
        relaxed.append({"system_id": row.system_id, "status": status, "reason": "", "rmsd_moved": 0.1})
        hull.append(
            {
                "system_id": row.system_id,
                "e_above_hull": energy,
                "formation_energy_per_atom": energy - 1,
                "energy_tag": "chgnet-0.3.0/PBE(+U)/MP2020",
                "hull_tag": "vasp/PBE(+U)/MP2020",
                "surrogate": surrogate,
                "reason": "",
            }
        )
    store.write_frame(folder / "r.parquet", pd.DataFrame(relaxed))
    store.write_systems(folder / "r.arrow", [row for row in CRYSTALS if row.system_id in ENERGY])
    store.write_frame(folder / "hull.parquet", pd.DataFrame(hull))
    dft = [
        {"system_id": "x-0", "status": "converged", "reason": ""},
        {"system_id": "x-2", "status": "timeout", "reason": "wall"},
    ]
    store.write_frame(folder / "dft.parquet", pd.DataFrame(dft))
    return {
        "samples": {"crystal": [folder / "x.arrow"], "molecule": [folder / "m.arrow"]},
        "data": [folder / "data.arrow"],
        "relaxed": [folder / "r.parquet"],
        "hull": folder / "hull.parquet",
        "dft": [folder / "dft.parquet"],
    }


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scores")
    score(STAGE, **write_inputs(folder, surrogate=True), out=folder / "scores", workers=2)
    return folder / "scores"


def record(scores: Path, kind: str, metric: str, protocol: str, population: str = "samples") -> dict[str, Any]:
    rows = [
        each
        for each in json.loads((scores / "summary.json").read_text())
        if (each["kind"], each["metric"], each["protocol"], each["population"]) == (kind, metric, protocol, population)
    ]
    assert len(rows) == 1, (metric, protocol, population)
    return rows[0]


def counts(scores: Path, kind: str, metric: str, protocol: str) -> tuple[int, int]:
    rates = record(scores, kind, metric, protocol)
    return rates["numerator"], rates["denominator"]


def test_one_row_a_sample_asked_for(scores: Path) -> None:
    for kind, rows in (("crystal", CRYSTALS), ("molecule", MOLECULES)):
        table = store.read_frame(scores / f"{kind}.parquet")
        assert list(table["system_id"]) == [row.system_id for row in rows]
        assert list(store.read_frame(scores / f"{kind}.csv")["system_id"]) == list(table["system_id"])


def test_failures_have_reasons(scores: Path) -> None:
    table = store.read_frame(scores / "crystal.parquet").set_index("system_id")
    assert table.loc["x-6", "reason"] == "decode: lengths 0.1 Å span no cell"
    assert table.loc["x-6", "status"] == "failed"
    assert (table.loc[:"x-5", "status"] == "ok").all()
    assert table.loc["x-5", "min_distance"] == pytest.approx(1e-4)
    assert not table.loc["x-5", "structural_validity"]
    molecules = store.read_frame(scores / "molecule.parquet").set_index("system_id")
    assert molecules.loc["m-4", "reason"] == "decode: no atoms"
    assert molecules.loc["m-3", "reason"]


@pytest.mark.parametrize("status", ["timeout", "crashed", "error"])
def test_checks_that_do_not_end_are_a_row_with_a_reason(status: Any) -> None:
    outcome = Outcome(status, None, "killed", 60.0)
    crystal = crystal_rows([CRYSTALS[0]], {"x-0": outcome}, Matches({}, {}), Population.SAMPLES)[0]
    molecule = molecule_rows([MOLECULES[0]], Evidence({"m-0": outcome}, {"m-0": NO_BONDING}), KnownNames())[0]
    for row in (crystal, molecule):
        assert row["status"] == "failed"
        assert row["reason"] == "checks: killed"
    assert not crystal["overall_validity"]
    assert not molecule["validity"]
    assert molecule["posebusters_status"] == "failed"


def test_structures_that_cannot_be_matched_are_neither_unique_nor_novel() -> None:
    matches = Matches({}, {("samples", "x-0"): "matching: killed"})
    row = crystal_rows([CRYSTALS[0]], {"x-0": Outcome("ok", {}, "", 0.0)}, matches, Population.SAMPLES)[0]
    assert row["reason"] == "matching: killed"
    assert not row["uniqueness_adit"]
    assert not row["novelty_adit"]


def test_failures_are_in_the_denominators(scores: Path) -> None:
    assert counts(scores, "crystal", "overall_validity", "adit") == (5, 7)
    assert counts(scores, "crystal", "uniqueness_of_valid", "adit") == (4, 5)
    assert counts(scores, "crystal", "chgnet_surrogate_stable", "adit") == (3, 7)
    assert counts(scores, "molecule", "validity", "strict") == (3, 5)
    assert counts(scores, "molecule", "uniqueness_of_valid", "strict") == (2, 3)


def test_the_share_of_p1_is_that_of_crystals_that_decoded(scores: Path) -> None:
    assert counts(scores, "crystal", "spacegroup_p1", "strict") == (0, 6)
    assert "decoded" in record(scores, "crystal", "spacegroup_p1", "strict")["basis"]


def test_novelty_follows_the_protocol(scores: Path) -> None:
    """CaO is in the test split: novel for FlowMM, not for the paper."""
    table = store.read_frame(scores / "crystal.parquet").set_index("system_id")
    assert list(table.loc[["x-0", "x-2", "x-3"], "novelty_adit"]) == [True, False, False]
    assert list(table.loc[["x-0", "x-2", "x-3"], "novelty_flowmm"]) == [True, False, True]
    molecules = store.read_frame(scores / "molecule.parquet").set_index("system_id")
    assert list(molecules["novel"]) == [False, False, True, False, False]


def test_stable_unique_novel(scores: Path) -> None:
    """One of the two MgO; NaCl is known, KF did not converge."""
    table = store.read_frame(scores / "crystal.parquet").set_index("system_id")
    assert list(table.index[table["chgnet_surrogate_sun_adit"]]) == ["x-0"]
    assert counts(scores, "crystal", "chgnet_surrogate_sun", "adit") == (1, 7)
    assert counts(scores, "crystal", "chgnet_surrogate_metastable", "adit") == (4, 7)
    assert counts(scores, "crystal", "chgnet_surrogate_metastable", "lemat") == (1, 7)
    assert counts(scores, "crystal", "chgnet_surrogate_stable", "mattergen") == (4, 7)
    assert counts(scores, "crystal", "chgnet_surrogate_msun", "flowmm") == (2, 7)
    assert counts(scores, "crystal", "relaxed", "adit") == (4, 7)
    assert counts(scores, "crystal", "dft_converged_of_sent", "adit") == (1, 2)


def test_surrogate_energies_never_go_without_their_prefix(scores: Path) -> None:
    names = {each["metric"] for each in json.loads((scores / "summary.json").read_text())}
    assert not names & {"stable", "metastable", "sun", "msun"}
    basis = record(scores, "crystal", "chgnet_surrogate_sun", "adit")["basis"]
    assert "chgnet-0.3.0/PBE(+U)/MP2020" in basis
    assert "vasp/PBE(+U)/MP2020" in basis


def test_control_rows_stand_beside(scores: Path) -> None:
    assert record(scores, "crystal", "overall_validity", "adit", Population.TRAIN)["numerator"] == 2
    assert record(scores, "crystal", "novelty", "adit", Population.TRAIN)["numerator"] == 0
    assert record(scores, "molecule", "validity", "strict", Population.TEST)["value"] == 1.0
    for population in Population:
        rate = record(scores, "molecule", "adit_pdb_validity", "adit", population)
        assert rate["basis"]
        assert 0 <= rate["low"] <= rate["value"] <= rate["high"] <= 1


def test_posebusters_goes_to_as_many_as_asked(scores: Path) -> None:
    table = store.read_frame(scores / "molecule.parquet")
    assert (table["posebusters_status"] != "not_sent").sum() == 3
    for column in POSEBUSTERS_COLUMNS:
        assert counts(scores, "molecule", posebusters_name(column), "posebusters")[1] == 3
    bonded = int((table["posebusters_status"] == "ok").sum())
    assert counts(scores, "molecule", "posebusters_all_atoms_connected", "posebusters") == (bonded, 3)


def test_funnel(scores: Path) -> None:
    steps = {(each["kind"], each["step"]): each for each in json.loads((scores / "funnel.json").read_text())}
    crystal = [each["count"] for (kind, _), each in steps.items() if kind == "crystal"]
    assert [step for kind, step in steps if kind == "crystal"] == [
        "asked",
        "decoded",
        "valid",
        "relaxed",
        "stable",
        "unique",
        "novel",
    ]
    assert crystal == [7, 6, 5, 4, 3, 2, 1]
    assert steps["crystal", "relaxed"]["reasons"] == {"unconverged": 1}
    assert steps["crystal", "novel"]["reasons"] == {"matches the data": 1}
    assert [each["count"] for (kind, _), each in steps.items() if kind == "molecule"] == [5, 4, 3, 3, 2, 1]


def test_no_samples_no_hull_no_controls(tmp_path: Path) -> None:
    store.write_systems(tmp_path / "x.arrow", [])
    store.write_systems(tmp_path / "m.arrow", [])
    store.write_systems(tmp_path / "data.arrow", [])
    samples = {"crystal": [tmp_path / "x.arrow"], "molecule": [tmp_path / "m.arrow"], "mof": []}
    score(STAGE, samples, [tmp_path / "data.arrow"], [], None, [], tmp_path / "scores", workers=1)
    records = json.loads((tmp_path / "scores" / "summary.json").read_text())
    assert records
    assert all(each["value"] is None and each["denominator"] == 0 for each in records)
    assert not any("stable" in each["metric"] for each in records)
    for kind in ("crystal", "molecule"):
        table = store.read_frame(tmp_path / "scores" / f"{kind}.csv")
        assert len(table) == 0
        assert "system_id" in table.columns
    assert not (tmp_path / "scores" / "mof.parquet").exists()


def test_only_kinds_that_were_asked_for(tmp_path: Path) -> None:
    store.write_systems(tmp_path / "m.arrow", [water("m-0")])
    store.write_systems(tmp_path / "data.arrow", [])
    samples = {"crystal": [], "molecule": [tmp_path / "m.arrow"]}
    score(STAGE, samples, [tmp_path / "data.arrow"], [], None, [], tmp_path / "scores", workers=1)
    assert not (tmp_path / "scores" / "crystal.parquet").exists()
    assert len(store.read_frame(tmp_path / "scores" / "molecule.parquet")) == 1


def test_own_hull_has_plain_names(tmp_path: Path) -> None:
    paths = write_inputs(tmp_path, surrogate=False)
    assert not read_energies(paths["relaxed"], paths["hull"], paths["dft"]).surrogate


def test_mixed_hull_is_refused(tmp_path: Path) -> None:
    paths = write_inputs(tmp_path, surrogate=True)
    frame = store.read_frame(paths["hull"])
    frame.loc[0, "surrogate"] = False
    store.write_frame(paths["hull"], frame)
    with pytest.raises(DataError, match="mixes surrogate"):
        read_energies(paths["relaxed"], paths["hull"], paths["dft"])


def test_an_id_twice_is_refused(tmp_path: Path) -> None:
    store.write_systems(tmp_path / "m.arrow", [water("m-0"), water("m-0")])
    store.write_systems(tmp_path / "data.arrow", [])
    with pytest.raises(DataError, match="occurs twice"):
        score(STAGE, {"molecule": [tmp_path / "m.arrow"]}, [tmp_path / "data.arrow"], [], None, [], tmp_path, workers=1)
