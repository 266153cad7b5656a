"""The manifest, and the errors of a run that cannot be reported."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from adit import store
from adit.config import Config
from adit.errors import ConfigError, DataError
from adit.report.run.inputs import load_run
from adit.report.run.manifest import cost, for_json, manifest
from tests.unit.report.test_page import CHGNET, quick, write_page, write_run  # noqa: F401 - a fixture


@pytest.mark.usefixtures("quick")
def test_manifest_is_strict_json(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    write_page(run)
    about = json.loads(
        (run / "report/manifest.json").read_text(encoding="utf-8"), parse_constant=lambda c: pytest.fail(c)
    )
    assert about["sha256"]["scores/summary.json"] == store.sha256(run / "scores/summary.json")
    assert about["energies"]["hull_tags"] == [CHGNET]
    assert about["config"]["train"]["vae"]["lr"] == Config().train.vae.lr
    assert about["libraries"]["numpy"] == np.__version__
    assert {"cpu", "logical_cores", "memory_gib"} <= set(about["hardware"])


def test_cost_adds_jobs_and_ignores_unknown_values(tmp_path: Path) -> None:
    (row,) = cost(load_run(write_run(tmp_path), "{}").benchmarks)
    hours = {"core_hours": None, "gpu_hours": None}
    assert row == {"stage": "relax", "jobs": 2, "wall_s": 42.5, "cpu_s": 50.0, "max_rss_mb": 900.0, **hours}


def test_clean_replaces_what_json_cannot_hold() -> None:
    assert for_json({"a": float("nan"), 1: (float("inf"), Path("b"))}) == {"a": None, "1": [None, "b"]}


def test_no_commit_outside_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adit.report.run.manifest.__file__", str(tmp_path / "report/run/manifest.py"))
    assert manifest(load_run(tmp_path, "{}"), "x")["code"] == {"commit": None, "changed": None}


@pytest.mark.parametrize("text", ["no json", "[1]"])
def test_bad_run_config_is_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="--run-config"):
        write_page(tmp_path, config=text)


def test_no_such_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such run"):
        write_page(tmp_path / "absent")
