"""A decayed copy of a training at a constant rate."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch

from adit.cli import main
from adit.config import DitStage
from adit.errors import ConfigError, DataError
from adit.store import read_json, read_tensors, read_torch
from adit.train import loop
from adit.train.decay import Decay
from adit.train.dit import train_dit
from adit.train.loop import StoppedError
from adit.train.schedule import decay_factor
from tests.unit.train.test_train import data, run_all, tiny

__all__ = ["data"]

STEPS = 5


@pytest.fixture
def root(tmp_path: Path, data: list[Path]) -> Path:
    """A denoiser in training: six steps at a constant rate."""
    run_all(tmp_path, tiny(), data)
    return tmp_path


def decayed(root: Path, data: list[Path], out: Path, source: Path | None = None, steps: int = STEPS) -> None:
    latents = sorted((root / "latents").glob("*.arrow"))
    decay = Decay(source or root / "state/dit", steps)
    train_dit(tiny().stage(DitStage), root / "vae", data, latents, out, out / "state", decay=decay)


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def rates(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the rates of all steps to come."""
    seen: list[float] = []
    rate = loop._Trainer._learning_rate

    def record(self: loop._Trainer) -> float:
        seen.append(rate(self))
        return seen[-1]

    monkeypatch.setattr(loop._Trainer, "_learning_rate", record)
    return seen


def test_the_rate_falls_to_zero_and_the_training_is_left_as_it_is(
    root: Path, data: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, seen = hashes(root / "state/dit"), rates(monkeypatch)
    decayed(root, data, root / "copy")
    assert hashes(root / "state/dit") == before
    assert seen == pytest.approx([1e-3 * (1 - np.sqrt(k / STEPS)) for k in range(STEPS)])
    config_copy = read_json(root / "copy/config.json")
    assert (config_copy["steps"], config_copy["decay_steps"]) == (6 + STEPS, STEPS)
    kept, copied = (read_tensors(root / name / "model.safetensors") for name in ("dit", "copy"))
    assert any(not torch.equal(kept[name], copied[name]) for name in kept)


def test_the_training_goes_on_as_if_no_copy_had_been_taken(root: Path, data: list[Path]) -> None:
    decayed(root, data, root / "copy")
    latents = sorted((root / "latents").glob("*.arrow"))
    for name in ("dit", "undisturbed"):
        state = root / "state" / name
        stage = tiny(steps=9).stage(DitStage)
        train_dit(stage, root / "vae", data, latents, root / f"longer-{name}", state)
    longer, undisturbed = (read_tensors(root / f"longer-{n}" / "model.safetensors") for n in ("dit", "undisturbed"))
    for name, tensor in longer.items():
        assert torch.equal(tensor, undisturbed[name]), name


def test_a_copy_that_is_stopped_goes_on_from_its_own_state(
    root: Path, data: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    decayed(root, data, root / "whole")
    agree = loop._Trainer._agree
    monkeypatch.setattr(loop._Trainer, "_agree", lambda s, t, stop: agree(s, t, stop) or s.state.step == 8)
    with pytest.raises(StoppedError):
        decayed(root, data, root / "cut")
    monkeypatch.setattr(loop._Trainer, "_agree", agree)
    seen = rates(monkeypatch)
    decayed(root, data, root / "cut")
    assert seen == pytest.approx([1e-3 * decay_factor(k, STEPS) for k in range(2, STEPS)])
    whole, cut = (read_tensors(root / name / "model.safetensors") for name in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_the_averaged_weights_go_on_from_those_of_the_training(root: Path, data: list[Path]) -> None:
    newest = max((root / "state/dit").glob("resume-*.pt"), key=lambda path: int(path.stem.split("-")[1]))
    state = read_torch(newest)
    assert state is not None
    decayed(root, data, root / "copy", steps=1)
    averages = read_tensors(root / "copy/model.safetensors")
    copy = read_torch(next((root / "copy/state").glob("resume-7-*.pt")))
    assert copy is not None
    for name, averaged in state["ema"].items():
        expected = averaged.lerp(copy["module"][name], 0.5) if averaged.is_floating_point() else averaged
        torch.testing.assert_close(averages[name], expected)


def test_what_cannot_be_copied_is_one_clear_line(root: Path, data: list[Path]) -> None:
    with pytest.raises(DataError, match="no state of a training with these settings and data"):
        decayed(root, data, root / "copy", source=root / "nowhere")
    assert not (root / "copy/config.json").exists()
    with pytest.raises(ConfigError, match="holds the training's own states"):
        decayed(root, data, root / "copy", source=root / "copy/state")


def test_the_command_line_takes_a_copy(root: Path, data: list[Path]) -> None:
    stage = tiny().stage(DitStage).model_dump_json()
    latents = [str(path) for path in sorted((root / "latents").glob("*.arrow"))]
    paths = ["--vae", str(root / "vae"), "--data", *map(str, data), "--latents", *latents]
    where = ["--state", str(root / "state/dit"), "--out", str(root / "copy")]
    assert main(["decay", "--config", stage, *paths, *where, "--steps", "2"]) == 0
    assert read_json(root / "copy/config.json")["steps"] == 8
