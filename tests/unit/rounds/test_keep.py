"""What a run keeps: the first filter that a sample fails is its reason; earlier rounds are not kept twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from adit import config, store
from adit.cli import main
from adit.data.datasets.custom import dataset
from adit.elements import ATOMIC_NUMBER
from adit.errors import ConfigError
from adit.rounds.filters import FILTERS, decision
from adit.systems import AtomicSystem, Kind

GOOD: dict[Kind, dict[str, Any]] = {
    Kind.CRYSTAL: {
        **{"overall_validity": True, "distance_ratio_validity": True, "relax_status": "converged"},
        **{"hull_covers_chemistry": True, "chgnet_surrogate_metastable_adit": True, "chgnet_surrogate_msun_adit": True},
        "chgnet_surrogate_e_above_hull": 0.0312,
    },
    Kind.MOLECULE: {
        **{"validity": True, "neutral_validity": True, "unique": True, "novel": True, "xtb_status": "converged"},
        **{"xtb_same_molecule": True, "smiles": "O"},
    },
}


def salt(name: str, first: str = "Na", length: float = 3.5) -> AtomicSystem:
    numbers = np.array([ATOMIC_NUMBER[first], ATOMIC_NUMBER["Cl"]])
    positions = np.array([[0.0, 0, 0], [0.5, 0.5, 0.5]]) * length
    return AtomicSystem(name, Kind.CRYSTAL, numbers, positions, np.eye(3) * length)


def water(name: str) -> AtomicSystem:
    positions = np.array([[0.0, 0.76, 0.6], [0, -0.76, 0.6], [0, 0, 0]])
    return AtomicSystem(name, Kind.MOLECULE, np.array([1, 1, 8]), positions)


def write_run(folder: Path, kind: Kind, systems: list[AtomicSystem], **changed: list[Any]) -> Path:
    """Write a run of samples that pass every filter, but for the columns that are given."""
    rows = [{"system_id": system.system_id, **GOOD[kind]} for system in systems]
    (folder / "scores").mkdir(parents=True)
    store.write_frame(folder / f"scores/{kind}.parquet", pd.DataFrame(rows).assign(**changed))
    for part in ("samples", "relaxed") if kind is Kind.CRYSTAL else ("samples",):
        (folder / part / str(kind)).mkdir(parents=True)
        store.write_systems(folder / part / f"{kind}/0.arrow", systems, metadata={"dit_sha256": "abc"})
    return folder


def keep(folder: Path, kind: Kind, *more: str) -> int:
    return main(["keep", "--run", str(folder), "--kind", str(kind), "--out", f"{folder}.arrow", *more])


@pytest.mark.parametrize("kind", list(FILTERS))
def test_each_filter_decides_alone(kind: Kind) -> None:
    assert decision(kind, GOOD[kind]) == "kept"
    for each in FILTERS[kind]:
        for column in each.columns:
            name = next(name for name in GOOD[kind] if name.endswith(column))
            for bad in (False, None, float("nan")):
                assert decision(kind, {**GOOD[kind], name: bad}) == f"not {each.name}", (column, bad)


def test_kept_structures_have_their_lineage_and_are_training_data(tmp_path: Path) -> None:
    systems = [salt("crystal-0-0"), salt("crystal-0-1", "K", 3.9)]
    run = write_run(tmp_path / "first", Kind.CRYSTAL, systems, relax_status=["converged", "unconverged"])
    assert keep(run, Kind.CRYSTAL) == 0
    (kept,) = store.read_systems(tmp_path / "first.arrow").systems("train")
    assert kept.system_id == "first-crystal-0-0"
    lineage = {"split": "train", "run": "first", "sample": "crystal-0-0", "weights": "abc", "e_above_hull": 0.0312}
    assert dict(kept.info) == lineage
    table = store.read_frame(tmp_path / "first.decisions.parquet")
    assert table["decision"].tolist() == ["kept", "not relaxed"]


def test_what_an_earlier_round_kept_is_not_kept_again(tmp_path: Path) -> None:
    assert keep(write_run(tmp_path / "first", Kind.CRYSTAL, [salt("a")]), Kind.CRYSTAL) == 0
    second = write_run(tmp_path / "second", Kind.CRYSTAL, [salt("a", length=3.55), salt("b", "K", 3.9)])
    assert keep(second, Kind.CRYSTAL, "--earlier", str(tmp_path / "first.arrow")) == 0
    assert [system.info["sample"] for system in store.read_systems(tmp_path / "second.arrow").systems()] == ["b"]
    decisions = store.read_frame(tmp_path / "second.decisions.parquet")["decision"].tolist()
    assert decisions == ["not new: kept in an earlier round", "kept"]


def test_molecules_are_the_same_by_their_smiles(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert keep(write_run(tmp_path / "first", Kind.MOLECULE, [water("a")]), Kind.MOLECULE) == 0
    second = write_run(tmp_path / "second", Kind.MOLECULE, [water("b")])
    assert keep(second, Kind.MOLECULE, "--earlier", str(tmp_path / "first.arrow")) == 3
    assert "keeps none of 1 molecules (1 not new: kept in an earlier round)" in capsys.readouterr().err
    assert not (tmp_path / "second.arrow").exists()
    assert (tmp_path / "first.arrow").is_file(), "earlier rounds are untouched"


def test_a_run_that_lacks_scores_or_structures_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", Kind.CRYSTAL, [salt("a")])
    frame = store.read_frame(run / "scores/crystal.parquet")
    store.write_frame(run / "scores/crystal.parquet", frame.assign(system_id="other"))
    assert keep(run, Kind.CRYSTAL) == 3
    store.write_frame(run / "scores/crystal.parquet", frame.drop(columns="chgnet_surrogate_msun_adit"))
    assert keep(run, Kind.CRYSTAL) == 3
    assert keep(tmp_path / "nothing", Kind.CRYSTAL) == 3
    said = capsys.readouterr().err
    assert "has other, its structures have not; score the run again" in said
    assert "has no msun_adit; the run needs data to be novel against, relaxation and a hull" in said
    assert "nothing/scores/crystal.parquet" in said


@pytest.mark.parametrize(
    ("floors", "line"),
    [
        (
            {"kept": 3},
            "2 of 4 crystals (2 kept, 2 not relaxed), fewer than rounds.floors.kept (3): the loop stops",
        ),
        ({"uniqueness": 0.8}, "uniqueness of the 4 valid crystals is 75.0 %, below rounds.floors.uniqueness (80 %)"),
        ({"novelty": 0.6}, "novelty of the 4 valid crystals is 50.0 %, below rounds.floors.novelty (60 %)"),
        ({}, ""),
    ],
)
def test_a_round_below_a_floor_ends_the_loop(
    floors: dict[str, float], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    systems = [salt(f"crystal-0-{n}", element, 3.5) for n, element in enumerate(("Na", "K", "Rb", "Cs"))]
    columns = {
        "relax_status": ["converged"] * 2 + ["unconverged"] * 2,
        "uniqueness_adit": [True, True, True, False],
        "novelty_adit": [True, True, False, None],
    }
    run = write_run(tmp_path / "round-1", Kind.CRYSTAL, systems, **columns)
    store.write_systems(tmp_path / "earlier.arrow", [salt("round-0-crystal-0-0", "Li", 3.0)], splits=["train"])
    stage = config.parse({"rounds": {"floors": floors}}, "test").stage(config.KeepStage).model_dump_json()
    out = tmp_path / "kept.arrow"
    words = ["--run", str(run), "--kind", "crystal", "--earlier", str(tmp_path / "earlier.arrow"), "--out", str(out)]
    assert main(["stage", "keep", "--config", stage, *words]) == (3 if line else 0)
    assert line in capsys.readouterr().err
    if not line:
        assert [row.system_id for row in store.read_systems(out).systems("train")] == [
            "round-0-crystal-0-0", "round-1-crystal-0-0", "round-1-crystal-0-1"
        ], "what earlier rounds kept stays in the training data"  # fmt: skip


def test_samples_that_are_not_valid_are_no_collapse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Molecules of a weak model are rarely valid; those that are can all differ."""
    good = [True, True, False, False, False]
    columns = {"validity": good, "unique": good, "novel": good, "smiles": ["O", "N", "", "", ""]}
    run = write_run(tmp_path / "round-0", Kind.MOLECULE, [water(f"m-{n}") for n in range(5)], **columns)
    floors = {"floors": {"uniqueness": 0.8, "novelty": 0.5}}
    stage = config.parse({"rounds": floors}, "test").stage(config.KeepStage).model_dump_json()
    words = ["--run", str(run), "--kind", "molecule", "--out", str(tmp_path / "kept.arrow")]
    assert main(["stage", "keep", "--config", stage, *words]) == 0
    assert len(store.read_systems(tmp_path / "kept.arrow")) == 2
    assert "has no relaxed/molecule: the molecules are kept as they were sampled" in capsys.readouterr().err


def test_the_weights_are_those_of_the_shard_of_a_sample(tmp_path: Path) -> None:
    run = write_run(tmp_path / "first", Kind.CRYSTAL, [salt("a"), salt("b", "K", 3.9)])
    for shard, system in enumerate((salt("a"), salt("b", "K", 3.9))):
        store.write_systems(run / f"samples/crystal/{shard}.arrow", [system], metadata={"output_sha256": f"of {shard}"})
    assert keep(run, Kind.CRYSTAL) == 0
    kept = store.read_systems(tmp_path / "first.arrow").systems()
    assert [system.info["weights"] for system in kept] == ["of 0", "of 1"]


def test_kept_structures_are_a_dataset_to_train_on(tmp_path: Path) -> None:
    run = write_run(tmp_path / "first", Kind.CRYSTAL, [salt("a"), salt("b", "K", 3.9)])
    assert keep(run, Kind.CRYSTAL) == 0
    split = {"by": "column", "column": "split"}
    own = config.CustomDataset.model_validate({"path": f"{run}.arrow", "kind": "crystal", "split": split})
    records = dataset("kept", own).load(None).records
    assert [(record.system_id, record.split) for record in records] == [("first-a", "train"), ("first-b", "train")]


def test_a_condition_of_the_users_own_is_the_last_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    systems = [salt("a"), salt("b", "K", 3.9), salt("c", "Cs", 4.1)]
    columns = {"formula": ["ClNa", "ClK", "ClCs"], "chgnet_surrogate_e_above_hull": [0.01, 0.02, 0.09]}
    run = write_run(tmp_path / "run", Kind.CRYSTAL, systems, **columns)
    assert keep(run, Kind.CRYSTAL, "--keep", "e_above_hull < 0.05 and not has_K") == 0
    decisions = store.read_frame(tmp_path / "run.decisions.parquet")["decision"].tolist()
    assert decisions == ["kept", "not as rounds.keep says", "not as rounds.keep says"]
    assert keep(run, Kind.CRYSTAL, "--keep", "e_above_hul < 0.05") == 2
    assert keep(run, Kind.CRYSTAL, "--keep", "__import__('os')") == 2
    said = capsys.readouterr().err
    assert "rounds.keep: no column 'e_above_hul'; near: e_above_hull" in said
    assert "--keep" in said
    with pytest.raises(ConfigError, match="rounds: keep"):
        config.parse({"rounds": {"keep": "a <"}}, "test")
