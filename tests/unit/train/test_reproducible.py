"""A training that ends by steps is the same training on a busy machine as on a quiet one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import yaml

from adit import config
from adit.config import SampleStage, VaeStage
from adit.sample.generate import sample_shard
from adit.store import read_json, read_systems
from adit.systems import AtomicSystem, Kind
from adit.train import loop
from adit.train.vae import train_vae
from tests.unit.train import test_train
from tests.unit.train.test_train import run_all, tiny

ROOT = Path(__file__).parents[3]
data = test_train.data


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """Within the block, that many processes want a core each all the time."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loops)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def assert_same_samples(one: Path, other: Path) -> None:
    """Compare files of samples: types are equal, positions and cells to 10⁻³ Å, failures fail alike."""
    rows = [list(read_systems(path)) for path in (one, other)]
    assert [row.system_id for row in rows[0]] == [row.system_id for row in rows[1]]
    assert rows[0]
    for first, second in zip(*rows, strict=True):
        assert type(first) is type(second)
        if isinstance(first, AtomicSystem) and isinstance(second, AtomicSystem):
            np.testing.assert_array_equal(first.numbers, second.numbers)
            np.testing.assert_allclose(first.positions, second.positions, atol=1e-3)
            if first.cell is not None and second.cell is not None:
                np.testing.assert_allclose(first.cell, second.cell, atol=1e-3)


def test_samples_are_the_same_beside_a_busy_loop(tmp_path: Path, data: list[Path]) -> None:
    """Minutes are a ceiling here: by them the learning rate would fall faster on the busy machine."""
    values = tiny(steps=6, views=1).model_dump(by_alias=True)
    for name in ("vae", "dit"):
        values["train"][name] |= {"lr_decay": True, "max_minutes": 30.0, "val_every": 100}
    settings = config.parse(values)
    for name, loops in (("quiet", 0), ("busy", 1)):
        with busy(loops):
            folder = tmp_path / name
            run_all(folder, settings, data)
            for kind in (Kind.CRYSTAL, Kind.MOLECULE):
                stage = settings.stage(SampleStage)
                sample_shard(stage, folder / "vae", folder / "dit", kind, 0, folder / f"{kind}.arrow")
    for kind in ("crystal", "molecule"):
        assert_same_samples(tmp_path / f"quiet/{kind}.arrow", tmp_path / f"busy/{kind}.arrow")


def rates(
    tmp_path: Path, data: list[Path], minutes_a_step: float, monkeypatch: pytest.MonkeyPatch, **changes: object
) -> list[float]:
    """Return the learning rates of a training on a machine that takes so long for a step."""
    seen: list[float] = []
    rate = loop._Trainer._learning_rate

    def slow(trainer: loop._Trainer) -> float:
        trainer.state.seconds = 60 * minutes_a_step * trainer.state.step
        seen.append(rate(trainer))
        return seen[-1]

    monkeypatch.setattr(loop._Trainer, "_learning_rate", slow)
    stage = tiny(steps=6).stage(VaeStage)
    stage = stage.model_copy(update={"train": stage.train.model_copy(update={"lr_decay": True, **changes})})
    train_vae(stage, data, tmp_path / f"vae-{minutes_a_step}", tmp_path / f"state-{minutes_a_step}")
    monkeypatch.setattr(loop._Trainer, "_learning_rate", rate)
    return seen


def test_the_schedule_goes_by_steps_where_there_are_any(
    tmp_path: Path,
    data: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quick = rates(tmp_path, data, 0.0, monkeypatch, max_minutes=100.0)
    slow = rates(tmp_path, data, 15.0, monkeypatch, max_minutes=100.0)
    assert quick == slow
    assert quick[0] > quick[-1] > 0


def test_without_steps_it_goes_by_time(
    tmp_path: Path,
    data: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changes = {"max_minutes": 100.0, "max_steps": None, "max_epochs": 2}
    quick = rates(tmp_path, data, 0.0, monkeypatch, **changes)
    slow = rates(tmp_path, data, 30.0, monkeypatch, **changes)
    assert slow[1] < quick[1]


def test_a_ceiling_that_ends_a_training_is_told(
    tmp_path: Path,
    data: list[Path],
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = tiny(steps=1000).stage(VaeStage)
    stage = stage.model_copy(update={"train": stage.train.model_copy(update={"max_minutes": 1e-3})})
    train_vae(stage, data, tmp_path / "vae", tmp_path / "state")
    assert "of 1000: how far it got depends on the machine" in caplog.text


def test_the_demo_ends_by_steps() -> None:
    demo = config.load(str(ROOT / "config/demo.yaml"))
    for train in (demo.train.vae, demo.train.dit):
        assert train.max_steps is not None
        assert train.max_minutes is None or train.max_minutes >= 30.0


@pytest.mark.slow
def test_the_demo_makes_the_same_samples_beside_a_busy_loop(tmp_path: Path) -> None:
    """The real thing, to the samples: trainings on two threads, shards of samples on one, as on two cores."""
    values = yaml.safe_load((ROOT / "config/demo.yaml").read_text(encoding="utf-8"))
    values["model"]["weights"] = str(ROOT / "weights")
    (tmp_path / "demo.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    for name, loops in (("quiet", 0), ("busy", 1)):
        with busy(loops):
            targets = ["snakemake", "samples", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2"]
            places = ["--directory", str(tmp_path / name), "--configfile", str(tmp_path / "demo.yaml")]
            (tmp_path / name).mkdir()
            done = subprocess.run(
                [sys.executable, "-m", *targets, *places], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr[-2000:]
    runs = [tmp_path / name / "results/demo" for name in ("quiet", "busy")]
    assert read_json(runs[0] / "dit/config.json")["steps"] == read_json(runs[1] / "dit/config.json")["steps"]
    shards = sorted(path.relative_to(runs[0]) for path in (runs[0] / "samples").rglob("*.arrow"))
    assert len(shards) == 4
    for shard in shards:
        assert_same_samples(runs[0] / shard, runs[1] / shard)
