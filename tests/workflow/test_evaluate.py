"""Evaluation starts at samples: no model is trained for it, and samples may come from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from adit.store import read_systems, write_extxyz, write_systems
from adit.systems import AtomicSystem, Kind
from tests.workflow.running import ROOT, planned, snakemake

pytestmark = pytest.mark.workflow
MODELS = {"vae", "dit", "encode", "sample"}


@pytest.fixture
def crystals(mixed: list[AtomicSystem]) -> list[AtomicSystem]:
    return [system for system in mixed if system.kind is Kind.CRYSTAL]


@pytest.mark.parametrize("profile", [[], ["--profile", "slurm"]])
def test_evaluate_plans_no_model_even_without_any(
    tmp_path: Path, mixed: list[AtomicSystem], profile: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)  # where the profile's name leads to its folder
    for kind in ("crystal", "molecule"):
        for shard in range(2):
            rows = [system for system in mixed if str(system.kind) == kind]
            write_systems(tmp_path / f"results/tiny/samples/{kind}/{shard}.arrow", rows)
    rules = planned(tmp_path, "evaluate", *profile)
    assert rules >= {"prepare", "relax", "dft", "checks", "score", "page"}
    assert not rules & MODELS
    assert planned(tmp_path, "all") >= MODELS


def test_evaluate_without_samples_says_what_to_do(tmp_path: Path) -> None:
    said = snakemake(tmp_path, "evaluate", "-n")
    assert said.returncode != 0
    line = "error: evaluate: results/tiny/samples/crystal/0.arrow is missing (4 of 4 shards are); make them with"
    assert line in said.stderr
    assert "Traceback" not in said.stderr


def test_samples_from_elsewhere_replace_the_model(tmp_path: Path, crystals: list[AtomicSystem]) -> None:
    write_extxyz(tmp_path / "other.extxyz", crystals * 3)
    other = "sample={from: other.extxyz, crystal: 5, molecule: 0, shards: 2}"
    rules = planned(tmp_path, "all", "--config", other)
    assert rules >= {"take", "relax", "score", "page"}
    assert not rules & MODELS
    done = snakemake(tmp_path, "results/tiny/samples/crystal/1.arrow", "--config", other)
    assert done.returncode == 0, done.stderr[-3000:]
    shards = [tmp_path / f"results/tiny/samples/crystal/{shard}.arrow" for shard in range(2)]
    ids = [row.system_id for shard in shards for row in read_systems(shard)]
    assert len(ids) == len(set(ids)) == 5, "at most as many as asked for, ids that differ"


def test_samples_from_elsewhere_of_the_wrong_kind_are_one_line(tmp_path: Path, crystals: list[AtomicSystem]) -> None:
    write_extxyz(tmp_path / "other.extxyz", crystals)
    other = "sample={from: other.extxyz, crystal: 5, molecule: 5, shards: 1}"
    done = snakemake(tmp_path, "results/tiny/samples/crystal/0.arrow", "--config", other)
    assert done.returncode != 0
    assert "other.extxyz: holds no molecules; set sample.molecule: 0" in done.stderr
