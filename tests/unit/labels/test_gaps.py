"""The label homo_lumo_gap: values, what has none, the table with its failures, and how training gets it."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from adit.cli import main
from adit.config import CustomDataset, DataConfig, LabelConfig, LabelsStage
from adit.data.datasets import custom
from adit.errors import DataError, ExternalToolError
from adit.labels import table
from adit.labels.gaps import METHOD, homo_lumo_gap
from adit.labels.table import read_labels, write_gaps
from adit.model.conditions import encode
from adit.store import read_frame, sha256, write_frame, write_json, write_systems
from adit.systems import AtomicSystem, Kind
from adit.train.corpus import Corpus, read_corpus
from tests.conftest import random_crystal

WATER = AtomicSystem("water", Kind.MOLECULE, [1, 1, 8], [[0.7572, 0.5865, 0], [-0.7572, 0.5865, 0], [0, 0, 0]])
NITROGEN = AtomicSystem("n2", Kind.MOLECULE, [7, 7], [[0, 0, 0], [1.0977, 0, 0]])
HYDROXYL = AtomicSystem("oh", Kind.MOLECULE, [1, 8], [[0, 0, 0], [0.97, 0, 0]])
CLASH = AtomicSystem("clash", Kind.MOLECULE, [1, 1, 8], [[0, 0, 0], [0, 0, 0], [1, 0, 0]])


def ring() -> AtomicSystem:
    """Benzene, D6h: C-C 1.397 Å, C-H 1.084 Å."""
    angles = np.arange(6) * np.pi / 3
    plane = np.stack([np.cos(angles), np.sin(angles), np.zeros(6)], axis=1)
    positions = np.concatenate([plane * (1.397 + 1.084), plane * 1.397])
    return AtomicSystem("benzene", Kind.MOLECULE, [1] * 6 + [6] * 6, positions)


def test_gaps_are_those_of_the_orbitals() -> None:
    """The values are those of tblite 0.8 for these geometries."""
    assert homo_lumo_gap(WATER) == pytest.approx(14.63, abs=0.02)
    assert homo_lumo_gap(ring()) == pytest.approx(4.80, abs=0.02)


def test_a_gap_does_not_depend_on_where_a_molecule_lies_or_the_order_of_its_atoms() -> None:
    turned = WATER.positions[[2, 0, 1]][:, [1, 2, 0]] + 5.0
    moved = AtomicSystem("moved", Kind.MOLECULE, WATER.numbers[[2, 0, 1]], turned)
    assert homo_lumo_gap(moved) == pytest.approx(homo_lumo_gap(WATER), abs=1e-4)


def test_what_has_no_gap_says_why() -> None:
    with pytest.raises(DataError, match="odd number of electrons"):
        homo_lumo_gap(HYDROXYL)
    assert homo_lumo_gap(HYDROXYL, charge=-1) > 0
    with pytest.raises(DataError, match="defined for molecules, this is a crystal"):
        homo_lumo_gap(random_crystal(np.random.default_rng(0), 2))
    with pytest.raises(ExternalToolError, match="GFN2-xTB gives no orbitals"):
        homo_lumo_gap(CLASH)


AMMONIUM = (
    [7, 1, 1, 1, 1],
    [[0, 0, 0], [0.59, 0.59, 0.59], [-0.59, -0.59, 0.59], [-0.59, 0.59, -0.59], [0.59, -0.59, -0.59]],
)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("extxyz", '5\nProperties=species:S:1:pos:R:3 total_charge=1 pbc="F F F"\n{atoms}'),
        ("csv", 'name,total_charge,xyz\nion,1,"5\n\n{atoms}"\n'),
    ],
)
def test_an_ion_of_a_user_s_file_has_the_gap_of_its_charge(tmp_path: Path, form: str, text: str) -> None:
    symbols = {1: "H", 7: "N"}
    atoms = "".join(f"{symbols[z]} {x} {y} {w}\n" for z, (x, y, w) in zip(*AMMONIUM, strict=True))
    file = tmp_path / f"ions.{form}"
    file.write_text(text.format(atoms=atoms))
    described = CustomDataset(path=str(file), format=form, kind="molecule")
    (record,) = custom.dataset("ions", described).load(None).records
    system = record.make()
    assert system.info["total_charge"] == 1
    write_systems(tmp_path / "ions.arrow", [system], splits=["train"])
    write_gaps(stage(1), tmp_path / "ions.arrow", tmp_path / "ions.labels.parquet")
    (row,) = read_frame(tmp_path / "ions.labels.parquet").to_dict("records")
    ion = AtomicSystem("ion", Kind.MOLECULE, *AMMONIUM)
    assert (row["status"], row["reason"]) == ("ok", "")
    assert row["homo_lumo_gap"] == pytest.approx(homo_lumo_gap(ion, charge=1), abs=1e-4)


def test_a_charge_or_spin_in_the_file_is_that_of_the_gap() -> None:
    ion = replace(NITROGEN, info={"total_charge": 2})
    assert homo_lumo_gap(ion) == pytest.approx(homo_lumo_gap(NITROGEN, charge=2))
    assert homo_lumo_gap(ion) != pytest.approx(homo_lumo_gap(NITROGEN), abs=0.1)
    with pytest.raises(DataError, match="unpaired electrons"):
        homo_lumo_gap(replace(NITROGEN, info={"unpaired_electrons": 2}))


def test_gaps_at_charge_0_of_an_earlier_version_are_not_taken_for_ions(tmp_path: Path) -> None:
    keys = []
    for name, info in (("neutral", {}), ("ion", {"total_charge": 2})):
        path = tmp_path / f"{name}.arrow"
        write_systems(path, [replace(NITROGEN, info=info)], splits=["train"])
        write_gaps(stage(1), path, tmp_path / f"{name}.parquet", state=tmp_path / name)
        plain = f"{sha256(path)} {METHOD} {stage(1).seed} {table.PART}"
        keys.append((tmp_path / name / hashlib.sha256(plain.encode()).hexdigest()[:16]).is_dir())
    assert keys == [True, False]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Seven training molecules, one of which has no gap and one no energy, and one to validate on."""
    again = [AtomicSystem(f"water-{i}", Kind.MOLECULE, WATER.numbers, WATER.positions) for i in range(3)]
    rows = [WATER, NITROGEN, HYDROXYL, CLASH, *again]
    path = tmp_path / "qm9.arrow"
    write_systems(path, [*rows, ring()], splits=["train"] * len(rows) + ["val"])
    write_json(path.with_suffix(".stats.json"), {"size_histogram": {"3": 7}})
    return path


def stage(gaps: int) -> LabelsStage:
    return LabelsStage.model_validate({"seed": 3, "labels": {"gaps": gaps}})


def test_every_chosen_molecule_has_a_row_with_its_reason(data: Path, tmp_path: Path) -> None:
    write_gaps(stage(100), data, tmp_path / "qm9.labels.parquet")
    rows = read_frame(tmp_path / "qm9.labels.parquet").set_index("system_id")
    assert sorted(rows.index) == ["clash", "n2", "oh", "water", "water-0", "water-1", "water-2"]
    assert rows.loc["water", "homo_lumo_gap"] == pytest.approx(homo_lumo_gap(WATER), abs=1e-6)
    assert rows.loc["oh", ["status", "reason"]].tolist() == [
        "error",
        "odd number of electrons, homo_lumo_gap is not defined",
    ]
    assert rows.loc["clash", "reason"].startswith("GFN2-xTB gives no orbitals")
    assert rows["homo_lumo_gap"].isna().sum() == 2


def test_more_molecules_of_the_same_seed_go_on_from_those_that_are_there(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "PART", 2)
    calls: list[int] = []
    map_isolated = table.map_isolated

    def count(function: Any, items: Any, **options: Any) -> Any:
        calls.append(len(items))
        return map_isolated(function, items, **options)

    monkeypatch.setattr(table, "map_isolated", count)
    first, second = tmp_path / "first.parquet", tmp_path / "second.parquet"
    write_gaps(stage(4), data, first, state=tmp_path / "state")
    write_gaps(stage(7), data, second, state=tmp_path / "state")
    write_gaps(stage(7), data, second, state=tmp_path / "state")
    assert calls == [4, 3, 0]
    pd.testing.assert_frame_equal(read_frame(second).head(4), read_frame(first))


def test_the_order_of_results_does_not_mix_up_rows(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "PART", 3)
    write_gaps(stage(7), data, tmp_path / "one.parquet", workers=1, state=tmp_path / "a")
    write_gaps(stage(7), data, tmp_path / "two.parquet", workers=3, state=tmp_path / "b")
    one, two = read_frame(tmp_path / "one.parquet"), read_frame(tmp_path / "two.parquet")
    pd.testing.assert_frame_equal(one, two)


def corpus(data: Path, labels: Path) -> Corpus:
    return read_corpus([data], DataConfig.model_validate({"datasets": [{"name": "qm9"}]}), [labels])


LABELS = (LabelConfig(name="homo_lumo_gap", type="number", mean=2.0, std=4.0),)


def test_training_gets_the_values_and_null_where_there_is_none(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "qm9.labels.parquet"
    write_gaps(stage(100), data, out)
    values = corpus(data, out)
    codes = values.conditions(LABELS, np.arange(7), "train").labels["homo_lumo_gap"].numpy()
    water = (homo_lumo_gap(WATER) - 2.0) / 4.0
    np.testing.assert_allclose(codes[[0, 4, 5, 6]], [[water, 1.0]] * 4, atol=1e-4)
    np.testing.assert_array_equal(codes[[2, 3]], np.zeros((2, 2)))
    assert values.conditions(LABELS, np.arange(1), "val").labels["homo_lumo_gap"].tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_value_that_is_none_is_a_hidden_label(value: float | None) -> None:
    """Crystals and molecules carry each other's labels as missing."""
    codes = encode(LABELS, [Kind.MOLECULE], [{"homo_lumo_gap": value}])
    assert codes.labels["homo_lumo_gap"].tolist() == [[0.0, 0.0]]


def test_other_values_are_other_data(data: Path, tmp_path: Path) -> None:
    """A resume state of a training with other labels is not used."""
    out = tmp_path / "qm9.labels.parquet"
    write_frame(out, pd.DataFrame({"system_id": ["water"], "homo_lumo_gap": [10.0]}))
    before = corpus(data, out)
    write_frame(out, pd.DataFrame({"system_id": ["water"], "homo_lumo_gap": [11.0]}))
    after = corpus(data, out)
    assert before.key != after.key
    assert before.provenance()["qm9"] == after.provenance()["qm9"]
    assert before.provenance()["qm9.labels.parquet"] != after.provenance()["qm9.labels.parquet"]


def test_a_label_that_no_system_has_is_said(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("adit"), "propagate", True)
    gaps_read = read_corpus([data], DataConfig.model_validate({"datasets": [{"name": "qm9"}]}))
    gaps_read.conditions(LABELS, np.arange(2), "train")
    assert "label homo_lumo_gap: no training system has it" in caplog.text


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"homo_lumo_gap": [1.0]}, "is not a table of labels"),
        ({"system_id": ["water"]}, "is not a table of labels"),
        ({"system_id": ["water", "water"], "homo_lumo_gap": [1.0, 2.0]}, "system water occurs twice"),
        ({"system_id": ["water"], "homo_lumo_gap": ["high"]}, "column homo_lumo_gap holds values that are no numbers"),
    ],
)
def test_a_table_that_is_none_is_one_clear_line(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    write_frame(tmp_path / "qm9.labels.parquet", pd.DataFrame(columns))
    with pytest.raises(DataError, match=message):
        read_labels(tmp_path / "qm9.labels.parquet", ["water"])


def test_a_table_of_another_dataset_is_refused(data: Path, tmp_path: Path) -> None:
    write_frame(tmp_path / "mp20.labels.parquet", pd.DataFrame({"system_id": ["water"], "homo_lumo_gap": [1.0]}))
    with pytest.raises(DataError, match="belongs to no dataset of the mixture"):
        corpus(data, tmp_path / "mp20.labels.parquet")


def test_the_command_line_writes_the_table_beside_the_data(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["labels", "--config", stage(2).model_dump_json(), "--data", str(data)]) == 0
    assert len(read_frame(data.with_suffix(".labels.parquet"))) == 2
    assert main(["labels", "--config", stage(0).model_dump_json(), "--data", str(data)]) == 2
    assert "labels.gaps is 0" in capsys.readouterr().err


def test_crystals_have_no_gap(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mp20.arrow"
    write_systems(path, [random_crystal(np.random.default_rng(0), 2)], splits=["train"])
    assert main(["labels", "--config", stage(2).model_dump_json(), "--data", str(path)]) == 3
    assert "has no training molecule" in capsys.readouterr().err
