"""A second potential's verdict: energies, hull, classes, and a judge that is not there. The judge here is EMT."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from adit import store
from adit.cli import main
from adit.config import HullConfig, JudgeConfig, JudgeStage, RelaxConfig
from adit.errors import DataError
from adit.hull.convex_hull import Hull, ReferenceEntry
from adit.hull.judged import JudgeInputs, judge_hull, judge_table, judges_at_hand, read_inputs
from adit.hull.reference_rows import reference_row
from adit.hull.shipped import add_set
from adit.hull.verdicts import Verdict, is_stable, joint, verdict
from adit.relax.judge import judge
from adit.relax.potentials.chosen import Chosen
from adit.systems import AtomicSystem, Failure, Kind

CHGNET, EMT = "chgnet-0.3.0/PBE(+U)/MP2020", "emt-ase/EMT/none"
STAGE = JudgeStage(
    relax=RelaxConfig(fmax=0.1),
    judge=JudgeConfig(engine="emt", python=sys.executable),
    hull=HullConfig(reference="builtin"),
)


def cubic(name: str, numbers: list[int], a: float) -> AtomicSystem:
    """fcc of one element, or L1_0-like order of two with c = a."""
    fractional = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    return AtomicSystem(name, Kind.CRYSTAL, np.array(numbers), fractional * a, np.eye(3) * a)


CU, AU = cubic("cu", [29] * 4, 3.59), cubic("au", [79] * 4, 4.06)
CUAU, AUPT = cubic("cuau", [29, 29, 79, 79], 3.85), cubic("aupt", [79, 79, 78, 78], 4.0)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judge")
    rows = [CUAU, AUPT, cubic("si", [14] * 4, 5.0), Failure("broken", "relax", "diverged", Kind.CRYSTAL)]
    store.write_systems(folder / "relaxed.arrow", rows)
    store.write_systems(folder / "builtin-crystals.arrow", [CU, AU, cubic("cu3au", [29, 29, 29, 79], 3.75)])
    placed = [("cuau", -0.2, ""), ("aupt", -0.5, "Au-Pt"), ("si", 0.0, ""), ("broken", math.nan, "")]
    table = pd.DataFrame(placed, columns=["system_id", "e_above_hull", "missing_pairs"])
    verdicts = [Verdict.STABLE, Verdict.UNKNOWN_HULL, Verdict.UNSTABLE, Verdict.NO_ENERGY]
    table = table.assign(
        formation_energy_per_atom=table["e_above_hull"],
        energy_tag=CHGNET,
        hull_tag=CHGNET,
        verdict=list(map(str, verdicts)),
    )
    store.write_frame(folder / "hull.parquet", table)
    store.write_frame(folder / "reference.parquet", pd.DataFrame({"hull_tag": [CHGNET]}))
    judge(STAGE, folder / "relaxed.arrow", folder / "judged.parquet", 1, folder / "cache")
    return folder


def placed(
    files: Path, stage: JudgeStage = STAGE, judged: str = "judged.parquet"
) -> tuple[pd.DataFrame, dict[str, Any]]:
    inputs = read_inputs([files / "relaxed.arrow"], [files / judged], files / "hull.parquet")
    out = files / "out.parquet"
    data = [files / "builtin-crystals.arrow"]
    judge_hull(stage, inputs, files / "reference.parquet", data, out, files / "cache", 1)
    return store.read_frame(out).set_index("system_id"), store.read_metadata(out)


def test_each_crystal_has_the_judges_energy_or_a_reason(files: Path) -> None:
    table = store.read_frame(files / "judged.parquet").set_index("system_id")
    assert dict(table["status"]) == {"cuau": "judged", "aupt": "judged", "si": "refused", "broken": "failed"}
    assert "does not know Si" in table.loc["si", "reason"]
    assert table.loc["broken", "reason"] == "relax: diverged"
    assert set(table["energy_tag"]) == {EMT}
    assert table.loc["cuau", "energy_per_atom"] == table.loc["cuau", "static_energy_per_atom"]
    assert math.isnan(table.loc["cuau", "relaxed_energy_per_atom"])
    assert table.loc["cuau", "correction_per_atom"] == 0


def test_by_option_the_judge_relaxes_too(files: Path, tmp_path: Path) -> None:
    stage = STAGE.model_copy(update={"judge": STAGE.judge.model_copy(update={"relax": True})})
    judge(stage, files / "relaxed.arrow", tmp_path / "judged.parquet", 1)
    row = store.read_frame(tmp_path / "judged.parquet").set_index("system_id").loc["cuau"]
    assert row["energy_per_atom"] == row["relaxed_energy_per_atom"] < row["static_energy_per_atom"] - 1e-4


def test_distances_stand_side_by_side_under_the_potentials_names(files: Path) -> None:
    """The judge's hull is of its own energies: those of Cu, Au and Cu3Au; nothing of platinum is there."""
    table, info = placed(files)
    assert info["judge_tag"] == EMT
    row = table.loc["cuau"]
    assert row["chgnet_e_above_hull"] == -0.2
    assert row["e_above_hull_difference"] == pytest.approx(row["emt_e_above_hull"] + 0.2)
    assert row["emt_formation_energy_per_atom"] < row["emt_e_above_hull"] < 1
    assert table.loc["aupt", "missing_pairs"].split(", ") == ["Au-Pt", "Pt"]
    expected = Verdict.BOTH if row["emt_e_above_hull"] < -1e-6 else Verdict.ONE
    assert dict(table["verdict"]) == {
        "cuau": expected,
        "aupt": Verdict.UNKNOWN_HULL,
        "si": Verdict.UNKNOWN_HULL,
        "broken": Verdict.NO_ENERGY,
    }
    assert len(table) == 4


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (JudgeConfig(), "no judge is configured"),
        (JudgeConfig(engine="mace", weights="nowhere.model"), "nowhere.model: no such file"),
        (JudgeConfig(engine="emt", python="/nowhere/python"), "does not load|does not start"),
    ],
    ids=["none", "no weights", "no interpreter"],
)
def test_a_missing_judge_is_one_line_and_the_run_goes_on(
    config: JudgeConfig, reason: str, files: Path, tmp_path: Path
) -> None:
    stage = STAGE.model_copy(update={"judge": config})
    judge(stage, files / "relaxed.arrow", files / "none.parquet", 1, tmp_path)
    table, info = placed(files, stage, "none.parquet")
    assert info["judge_tag"] == ""
    assert len(info["reason"].splitlines()) == 1
    assert pd.Series([info["reason"]]).str.contains(reason).all()
    assert set(table["judge_status"]) == {"not judged"}
    assert list(table["verdict"]) == list(store.read_frame(files / "hull.parquet")["verdict"])
    assert "emt_e_above_hull" not in table


def test_energies_of_two_judges_do_not_meet(files: Path, tmp_path: Path) -> None:
    frame = store.read_frame(files / "judged.parquet")
    store.write_frame(tmp_path / "other.parquet", frame, {"energy_tag": "mace-x/PBE(+U)/MP2020"})
    files_of_two = [files / "judged.parquet", tmp_path / "other.parquet"]
    with pytest.raises(DataError, match=r"judged as emt.* and as mace.*; judge all with one potential"):
        read_inputs([files / "relaxed.arrow"], files_of_two, files / "hull.parquet")


def test_the_verbs_do_the_same(files: Path, tmp_path: Path) -> None:
    stage = STAGE.model_dump_json()
    out = tmp_path / "judge.parquet"
    assert (
        main(["stage", "judge", "--config", stage, "--structures", str(files / "relaxed.arrow"), "--out", str(out)])
        == 0
    )
    arguments = ["--structures", files / "relaxed.arrow", "--judged", out, "--hull", files / "hull.parquet"]
    arguments += ["--reference", files / "reference.parquet", "--data", files / "builtin-crystals.arrow"]
    final = tmp_path / "final.parquet"
    assert main(["stage", "judge-hull", "--config", stage, *map(str, arguments), "--out", str(final)]) == 0
    assert list(store.read_frame(final)["verdict"]) == list(placed(files)[0]["verdict"])


@pytest.mark.parametrize(
    ("energy", "elements", "missing", "expected"),
    [
        (-0.1, 2, "", Verdict.STABLE),
        (0.0, 2, "", Verdict.UNSTABLE),
        (-0.1, 1, "", Verdict.UNSTABLE),
        (-2.0, 2, "Dy-Se", Verdict.UNKNOWN_HULL),
        (math.nan, 2, "", Verdict.NO_ENERGY),
    ],
)
def test_the_classes_of_one_potential(energy: float, elements: int, missing: str, expected: Verdict) -> None:
    assert verdict(energy, elements, missing) is expected


def test_the_classes_of_two() -> None:
    stable, unstable, unknown = Verdict.STABLE, Verdict.UNSTABLE, Verdict.UNKNOWN_HULL
    assert joint([stable, stable]) is Verdict.BOTH
    assert joint([stable, unstable]) is joint([unstable, stable]) is Verdict.ONE
    assert joint([unstable, unstable]) is Verdict.NONE
    assert joint([stable, unknown]) is unknown
    assert joint([stable, Verdict.NO_ENERGY]) is Verdict.NO_ENERGY


def test_prototypes_go_on_without_a_judge_that_is_not_there(caplog: pytest.LogCaptureFixture) -> None:
    assert judges_at_hand(JudgeConfig()) == ()
    assert caplog.text == ""
    assert judges_at_hand(JudgeConfig(engine="mace", weights="nowhere.model")) == ()
    assert "no judge, prototypes have energies of one potential: nowhere.model: no such file" in caplog.text
    (chosen,) = judges_at_hand(JudgeConfig(engine="emt", python=sys.executable))
    assert chosen.name == "emt"


def test_the_judge_takes_the_prototypes_of_the_runs_hull(files: Path, tmp_path: Path) -> None:
    """Copper and gold alone have no compound; the table of searched pairs has one, by the judge."""
    store.write_systems(tmp_path / "builtin-crystals.arrow", [CU, AU])
    stage = STAGE.model_copy(update={"hull": HullConfig(reference="builtin", competing="prototypes")})
    inputs = read_inputs([files / "relaxed.arrow"], [files / "judged.parquet"], files / "hull.parquet")
    out, data, table = tmp_path / "out.parquet", [tmp_path / "builtin-crystals.arrow"], tmp_path / "prototypes.parquet"
    chosen = Chosen("emt", python=sys.executable)

    def missing() -> str:
        judge_hull(stage, inputs, files / "reference.parquet", data, out, tmp_path / "cache", 1, table)
        return str(store.read_frame(out).set_index("system_id").loc["cuau", "missing_pairs"])

    assert missing() == "Au-Cu"
    marker = reference_row("prototypes:Au-Cu", "", {}, math.nan, EMT, status="searched")
    compound = reference_row("p", "CuAu", {"Cu": 1, "Au": 1}, -9.0, EMT)
    add_set(chosen.identity(), "prototypes:Au-Cu", [compound, marker], 0.05, table)
    assert missing() == ""
    assert store.read_frame(out).set_index("system_id").loc["cuau", "emt_e_above_hull"] > 5


def test_stable_is_below_the_hull_by_more_than_rounding() -> None:
    assert [is_stable(energy, 2) for energy in (-1.5e-6, -0.5e-6, 0.0, math.nan)] == [True, False, False, False]
    assert not is_stable(-0.1, 1)


def test_the_difference_is_the_judge_minus_the_run() -> None:
    """CuAu of -3.1 eV/atom, elements of -3.5 and -3.3: 0.3 above their line, by the run 0.2 below its own."""
    entries = [ReferenceEntry({name: 1.0}, energy) for name, energy in (("Cu", -3.5), ("Au", -3.3))]
    judged = {"cuau": {"status": "judged", "reason": "", "energy_per_atom": -3.1}}
    placed = {"system_id": "cuau", "e_above_hull": -0.2, "formation_energy_per_atom": -0.2, "missing_pairs": ""}
    placed |= {"energy_tag": CHGNET, "hull_tag": CHGNET, "verdict": str(Verdict.STABLE)}
    inputs = JudgeInputs({"cuau": CUAU}, judged, [placed], EMT, "")
    (row,) = judge_table(inputs, Hull.from_entries(EMT, entries), "").to_dict("records")
    assert row["emt_e_above_hull"] == pytest.approx(0.3)
    assert row["emt_formation_energy_per_atom"] == pytest.approx(0.3)
    assert row["e_above_hull_difference"] == pytest.approx(0.5)
