"""The weights that ship: whole, small, and able to sample."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from adit import config
from adit.sample.engine import Sampler
from adit.sample.generate import write_samples
from adit.store import read_systems
from adit.systems import Kind
from adit.train.bundle import part_of, read_manifest

ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "weights"
MIB = 2**20


def test_the_bundle_is_whole() -> None:
    files = read_manifest(WEIGHTS)["files"]
    assert {"vae/model.safetensors", "vae/config.json", "dit/config.json"} < set(files)
    for part in ("vae", "dit"):
        part_of(WEIGHTS, part)  # names and shapes


def test_the_bundle_is_small() -> None:
    sizes = [path.stat().st_size for path in WEIGHTS.rglob("*") if path.is_file()]
    assert max(sizes) < 16 * MIB
    assert sum(sizes) < 40e6


def test_nothing_in_the_bundle_names_a_machines_folders() -> None:
    for path in WEIGHTS.rglob("*.json"):
        assert '"/' not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", [Kind.CRYSTAL, Kind.MOLECULE])
def test_it_samples_by_itself(kind: Kind, tmp_path: Path) -> None:
    settings = read_manifest(WEIGHTS)["sample"] | {"steps": 3}
    stage = config.SampleStage(seed=1, sample=config.SampleConfig.model_validate(settings).of_kind(kind))
    torch.manual_seed(0)
    write_samples(Sampler(WEIGHTS / "vae", WEIGHTS / "dit"), stage, kind, range(2), tmp_path / "x.arrow")
    assert {row.kind for row in read_systems(tmp_path / "x.arrow")} == {kind}


@pytest.mark.parametrize("name", ["demo", "card", "finetune"])
def test_the_configurations_sample_as_the_bundle_asks(name: str) -> None:
    settings = config.load(ROOT / f"config/{name}.yaml").sample.model_dump(mode="json")
    assert {key: settings[key] for key in read_manifest(WEIGHTS)["sample"]} == read_manifest(WEIGHTS)["sample"]
