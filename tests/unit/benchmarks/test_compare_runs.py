"""The comparison of two runs: equal runs are equal, and one changed value of any kind of file is found and named."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import torch

from adit import store
from adit.systems import AtomicSystem, Failure, Kind

SCRIPT = Path(__file__).parents[3] / "benchmarks/compare_runs.py"


@pytest.fixture(scope="module")
def compare_runs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("compare_runs", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def crystal(shift: float) -> AtomicSystem:
    return AtomicSystem("a", Kind.CRYSTAL, np.array([11]), np.array([[shift, 0, 0]]), np.eye(3) * 4, {"source": "x"})


def write_run(run: Path) -> None:
    frame = pd.DataFrame({"system_id": ["a", "b"], "energy": [-1.0, np.nan], "wall_s": [1.0, 2.0]})
    store.write_frame(run / "relaxed/0.parquet", frame, {"stage": {"fmax": 0.1}, "adit_version": "1"})
    store.write_frame(run / "scores/crystal.csv", frame)
    rows = [crystal(0.0), Failure("b", "decode", "too close", Kind.CRYSTAL)]
    store.write_systems(run / "samples/crystal/0.arrow", rows, metadata={"seed": 1, "seconds": 3.0})
    store.write_json(run / "dft/a/result.json", {"energy": -1.0, "forces": [[0.0, 1.0]], "wall_s": 1.0})
    store.write_json(run / "dft/a/run/relaxed.json", {"n_steps": 3})
    store.write_tensors(run / "vae/model.safetensors", {"w": torch.zeros(2)})
    store.write_text(run / "relaxed/0.extxyz", "1\n\nH 0 0 0\n")


def change_json(path: Path, key: str, value: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))


def change_frame(path: Path, column: str) -> None:
    store.write_frame(path, store.read_frame(path).assign(**{column: [7.0, 7.0]}), {"stage": {"fmax": 0.1}})


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    write_run(tmp_path / "before")
    shutil.copytree(tmp_path / "before", tmp_path / "after")
    return tmp_path / "before", tmp_path / "after"


def test_time_machine_and_scratch_may_differ(runs: tuple[Path, Path], compare_runs: ModuleType) -> None:
    before, after = runs
    change_frame(after / "relaxed/0.parquet", "wall_s")
    change_json(after / "dft/a/result.json", "wall_s", 9.0)
    change_json(after / "dft/a/run/relaxed.json", "n_steps", 9)
    rows = list(store.read_systems(before / "samples/crystal/0.arrow"))
    store.write_systems(after / "samples/crystal/0.arrow", rows, metadata={"seed": 1, "seconds": 9.0})
    assert compare_runs.compare(before, after) == []


CHANGES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a column": ("relaxed/0.parquet: column energy: 2 of 2", lambda r: change_frame(r / "relaxed/0.parquet", "energy")),
    "a new column": ("scores/crystal.csv: columns", lambda r: change_frame(r / "scores/crystal.csv", "new")),
    "a position": (
        "samples/crystal/0.arrow: column positions: 1 of 1 rows",
        lambda r: store.write_systems(r / "samples/crystal/0.arrow", [crystal(1e-12)], metadata={"seed": 1}),
    ),
    "provenance": (
        "samples/crystal/0.arrow: provenance/seed: 1 is 2",
        lambda r: store.write_systems(r / "samples/crystal/0.arrow", [crystal(0.0)], metadata={"seed": 2}),
    ),
    "JSON": (
        "dft/a/result.json: /forces[0][1]: 1.0 is 2.0",
        lambda r: change_json(r / "dft/a/result.json", "forces", [[0.0, 2.0]]),
    ),
    "a tensor": (
        "vae/model.safetensors: tensor w",
        lambda r: store.write_tensors(r / "vae/model.safetensors", {"w": torch.tensor([0.0, 1e-30])}),
    ),
    "bytes": ("relaxed/0.extxyz: other bytes", lambda r: store.write_text(r / "relaxed/0.extxyz", "")),
    "a missing file": ("dft/a/result.json: only in", lambda r: (r / "dft/a/result.json").unlink()),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_named(
    runs: tuple[Path, Path],
    compare_runs: ModuleType,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before, after = runs
    message, change = CHANGES[name]
    if name in ("a position", "provenance"):
        store.write_systems(before / "samples/crystal/0.arrow", [crystal(0.0)], metadata={"seed": 1})
        shutil.copy(before / "samples/crystal/0.arrow", after / "samples/crystal/0.arrow")
    assert compare_runs.compare(before, after) == []
    change(after)
    monkeypatch.setattr(sys, "argv", ["compare_runs.py", str(before), str(after)])
    assert compare_runs.main() == 1
    assert message in capsys.readouterr().out


def test_what_is_no_run_is_refused(tmp_path: Path, compare_runs: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["compare_runs.py", str(tmp_path), str(tmp_path)])
    assert compare_runs.main() == 2
