"""The training loop: parts, processes, checkpoints, signals, losses that are not finite."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from adit.config import Config, DitModelConfig, VaeModelConfig, VaeStage
from adit.data.batching import share_of, size_buckets
from adit.errors import AditError, DataError
from adit.model.conditions import encode as encode_conditions
from adit.model.dit import DiT
from adit.model.features import featurize
from adit.model.flops import training_flops
from adit.model.vae import VAE
from adit.progress import log
from adit.store import read_json, read_systems, read_tensors, read_torch, write_json, write_systems, write_torch
from adit.systems import Kind, SystemBatch
from adit.train import loop
from adit.train.checkpoint import Checkpoints
from adit.train.corpus import read_corpus
from adit.train.draws import Draws, step_generator
from adit.train.vae import VaeTask, train_vae
from tests.conftest import random_crystal, random_molecule
from tests.systems import batch_of
from tests.unit.train.test_train import NAMES, tiny


@pytest.fixture
def data(tmp_path: Path) -> list[Path]:
    paths = []
    for name, make in zip(NAMES, (random_crystal, random_molecule), strict=True):
        random = np.random.default_rng(1)
        systems = [make(random, int(random.integers(1, 9)), f"{name}-{i}") for i in range(20)]
        path = tmp_path / "data" / f"{name}.arrow"
        write_systems(path, systems, splits=["train"] * 16 + ["val"] * 4)
        sizes = [len(s) for s in systems[:16]]
        histogram = {str(n): sizes.count(n) for n in sorted(set(sizes))}
        write_json(path.with_suffix(".stats.json"), {"size_histogram": histogram})
        paths.append(path)
    return paths


def with_vae(config: Config, **changes: object) -> VaeStage:
    stage = config.stage(VaeStage)
    return stage.model_copy(update={"train": stage.train.model_copy(update=changes)})


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return read_tensors(folder / "model.safetensors")


def assert_same_curve(a: Path, b: Path) -> None:
    """Compare losses. Not weights: those whose gradient is zero but for rounding (biases of keys, the shift of centred
    positions) are moved by Adam by the sign of the rounding."""
    first, second = (pd.read_csv(folder / "metrics.csv").drop(columns=["seconds", "atoms_per_s"]) for folder in (a, b))
    pd.testing.assert_frame_equal(first, second, rtol=1e-4, atol=1e-6)


def test_training_does_not_depend_on_how_a_batch_is_cut(tmp_path: Path, data: list[Path]) -> None:
    for name, atoms in (("whole", None), ("cut", 9)):
        exact = with_vae(tiny(steps=4), batch_atoms=atoms, precision="fp32")
        train_vae(exact, data, tmp_path / name, tmp_path / f"state-{name}")
    assert_same_curve(tmp_path / "whole", tmp_path / "cut")


def test_two_processes_train_as_one(tmp_path: Path, data: list[Path]) -> None:
    stage = tiny(steps=4).stage(VaeStage)
    train_vae(stage, data, tmp_path / "one", tmp_path / "state-one")
    options = ["--data", *map(str, data), "--out", str(tmp_path / "two"), "--state", str(tmp_path / "state-two")]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "adit"]
    done = subprocess.run(
        [sys.executable, *launcher, "vae", "--config", stage.model_dump_json(), *options],
        env={**os.environ, "OMP_NUM_THREADS": "1", "JAXTYPING_DISABLE": "1"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert_same_curve(tmp_path / "one", tmp_path / "two")
    one, two = (next((tmp_path / f"state-{name}").glob("resume-4-*.pt")) for name in ("one", "two"))
    moments = [read_torch(path)["optimizer"][0]["state"] for path in (one, two)]  # type: ignore[index]
    for index, state in moments[0].items():  # averaged gradients: their scale cannot hide in AdamW's steps
        torch.testing.assert_close(moments[1][index]["exp_avg"], state["exp_avg"], rtol=1e-3, atol=1e-6)
    assert done.stderr.count("training vae") == 1


def test_a_batch_that_cannot_be_shared_out_is_refused() -> None:
    with pytest.raises(DataError, match="batch_size 8 is not a multiple of the 3 processes"):
        share_of(0, 3, 8)
    shares = np.concatenate([share_of(rank, 4, 12) for rank in range(4)])
    assert sorted(shares.tolist()) == list(range(12))


def test_random_numbers_follow_the_system_and_not_the_part(data: list[Path]) -> None:
    corpus = read_corpus(data, tiny().data)
    sizes = corpus.sizes(np.arange(10), "train")
    draws = Draws.make(sizes, step_generator(0, "x"), 2, 3)
    whole = draws.part(np.arange(10), "cpu")
    some = draws.part(np.array([7, 2]), "cpu")
    assert torch.equal(some.views.normal, whole.views.normal[[7, 2]])
    ends = np.cumsum(sizes)
    assert torch.equal(some.atom_normal[: sizes[7]], whole.atom_normal[ends[7] - sizes[7] : ends[7]])
    assert torch.equal(some.atom_normal[sizes[7] :], whole.atom_normal[ends[2] - sizes[2] : ends[2]])


def test_arrays_hold_what_the_systems_hold(data: list[Path]) -> None:
    for path in data:
        table = read_systems(path)
        gathered = SystemBatch.from_arrays(table.arrays("train"), np.array([3, 0, 9]))
        single = batch_of([table.systems("train")[i] for i in (3, 0, 9)])
        for name in ("numbers", "positions", "cell", "n_atoms", "system_idx", "kind"):
            assert torch.equal(getattr(gathered, name), getattr(single, name))


def test_less_than_a_tenth_is_padding_on_sizes_like_the_papers() -> None:
    random = np.random.default_rng(0)
    molecules = np.clip(random.normal(18.0, 3.0, 128).round(), 3, 29)
    sizes = np.concatenate([molecules, random.choice(np.arange(1, 21), 128)]).astype(int)
    parts = size_buckets(sizes)
    padded = sum(max(sizes[i] for i in part) * len(part) for part in parts)
    assert sorted(i for part in parts for i in part) == list(range(256))
    assert sizes.sum() / padded >= 0.9


def test_no_part_is_larger_than_asked() -> None:
    sizes = [int(n) for n in np.random.default_rng(0).integers(1, 40, 300)]
    for part in size_buckets(sizes, largest=200):
        assert len(part) == 1 or len(part) * max(sizes[i] for i in part) <= 200


# --- checkpoints ------------------------------------------------------------------------------------------------------


def test_a_broken_checkpoint_falls_back_to_the_one_before(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "k")
    for step in (1, 2, 3):
        checkpoints.save(step, {"step": step, "w": torch.full((3,), float(step))}, wait=True)
    assert sorted(p.name for p in tmp_path.glob("*.pt")) == ["resume-2-k.pt", "resume-3-k.pt"]
    newest = tmp_path / "resume-3-k.pt"
    newest.write_bytes(newest.read_bytes()[:200])
    state = checkpoints.load()
    assert state is not None
    assert state["step"] == 2
    assert Checkpoints(tmp_path, "other").load() is None


def test_states_of_an_older_training_do_not_push_out_new_ones(tmp_path: Path) -> None:
    old, new = Checkpoints(tmp_path, "old"), Checkpoints(tmp_path, "new")
    for step in (399, 400):
        old.save(step, {"step": step}, wait=True)
    assert new.load() is None
    new.save(5, {"step": 5}, wait=True)
    state = new.load()
    assert state is not None
    assert state["step"] == 5
    assert old.load() is not None
    new.save(6, {"step": 6}, wait=True)
    assert sorted(p.name for p in tmp_path.glob("*.pt")) == ["resume-5-new.pt", "resume-6-new.pt"]


def test_a_longer_budget_goes_on_from_the_last_state(
    tmp_path: Path, data: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    first, longer = tiny(steps=4).stage(VaeStage), tiny(steps=8).stage(VaeStage)
    train_vae(first, data, tmp_path / "vae", tmp_path / "state")
    assert (tmp_path / "state/metrics.csv").is_file()
    log.addHandler(caplog.handler)
    log.setLevel("INFO")
    train_vae(longer, data, tmp_path / "vae", tmp_path / "state")
    log.removeHandler(caplog.handler)
    assert "resumed at step 4 of 8" in caplog.text
    train_vae(longer, data, tmp_path / "whole", tmp_path / "state-whole")
    for name, tensor in weights(tmp_path / "whole").items():
        assert torch.equal(weights(tmp_path / "vae")[name], tensor)


def test_validation_is_that_of_the_weights_that_are_kept(tmp_path: Path, data: list[Path]) -> None:
    stage = with_vae(tiny(steps=6), ema_decay=0.9)
    train_vae(stage, data, tmp_path / "vae", tmp_path / "state")
    last = pd.read_csv(tmp_path / "vae/metrics.csv").query("split == 'val'")["loss"].iloc[-1]
    device = torch.device("cpu")
    module = VAE(stage.model, stage.max_atomic_number)
    module.load_state_dict(weights(tmp_path / "vae"))
    corpus = read_corpus(data, stage.data)
    task = VaeTask(module.eval(), corpus, stage.train, device)
    rows = corpus.validation()
    sizes = corpus.sizes(rows, "val")
    draws = Draws.make(sizes, step_generator(stage.seed, "validation"), task.per_system, task.per_atom)
    with torch.no_grad():
        losses = task.losses(rows, draws.part(np.arange(len(rows)), device), "val")["loss"]
    assert last == pytest.approx(losses.mean().item(), rel=1e-4)


def test_what_is_saved_is_what_it_was_when_it_was_saved(tmp_path: Path) -> None:
    checkpoints, tensor = Checkpoints(tmp_path, "k"), torch.ones(3)
    checkpoints.save(1, {"w": tensor})
    tensor.zero_()
    checkpoints.wait()
    state = checkpoints.load()
    assert state is not None
    assert state["w"].tolist() == [1.0, 1.0, 1.0]


def test_a_failed_write_is_not_silent(tmp_path: Path) -> None:
    folder = tmp_path / "file"
    folder.write_text("in the way")
    checkpoints = Checkpoints(folder, "k")
    checkpoints.save(1, {"w": torch.ones(1)})
    with pytest.raises(AditError):
        checkpoints.wait()


def command(stage: VaeStage, data: list[Path], out: Path) -> list[str]:
    options = ["--data", *map(str, data), "--out", str(out), "--state", str(out.parent / f"state-{out.name}")]
    return [sys.executable, "-m", "adit", "vae", "--config", stage.model_dump_json(), *options]


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGKILL])
def test_a_stopped_training_goes_on_to_the_same_curve(tmp_path: Path, data: list[Path], number: signal.Signals) -> None:
    stage = with_vae(tiny(steps=120), checkpoint_minutes=0.002)
    state = tmp_path / "state-cut"
    process = subprocess.Popen(command(stage, data, tmp_path / "cut"), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(state.glob("resume-*.pt")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    code = process.wait(60)
    assert code == (143 if number != signal.SIGKILL else -9)
    assert not (tmp_path / "cut/model.safetensors").exists()
    subprocess.run(command(stage, data, tmp_path / "cut"), check=True, capture_output=True, timeout=120)
    train_vae(stage, data, tmp_path / "whole", tmp_path / "state-whole")
    whole, cut = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    threads = read_json(tmp_path / "cut/config.json")["hardware"]["threads"]
    if threads == torch.get_num_threads():
        assert all(torch.equal(whole[name], cut[name]) for name in whole)
    curves = [
        pd.read_csv(tmp_path / name / "metrics.csv").drop(columns=["seconds", "atoms_per_s"])
        for name in ("whole", "cut")
    ]
    pd.testing.assert_frame_equal(*curves, rtol=1e-3)


def test_a_loss_that_is_not_finite_stops_and_saves_the_batch(
    tmp_path: Path, data: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = loop._Trainer._one_step

    def spoilt(self: loop._Trainer) -> None:
        if self.state.step == 3:
            with torch.no_grad():
                self.parameters[0].fill_(float("nan"))
        original(self)

    monkeypatch.setattr(loop._Trainer, "_one_step", spoilt)
    with pytest.raises(
        AditError, match=r"not finite at step 3; its batch is in .*not-finite-3\.extxyz; lower"
    ) as error:
        train_vae(with_vae(tiny(steps=8), checkpoint_minutes=60.0), data, tmp_path / "vae", tmp_path / "state")
    assert "\n" not in str(error.value)
    assert (tmp_path / "state/not-finite-3.extxyz").read_text().count("Properties=") == 8
    assert not list((tmp_path / "state").glob("resume-*.pt"))


def test_the_best_weights_are_kept(tmp_path: Path, data: list[Path]) -> None:
    train_vae(tiny(steps=8).stage(VaeStage), data, tmp_path / "vae", tmp_path / "state")
    best = read_tensors(tmp_path / "state/best.safetensors")
    assert set(best) == set(weights(tmp_path / "vae"))


def test_averaged_weights_of_the_autoencoder_are_an_option(tmp_path: Path, data: list[Path]) -> None:
    for name, decay in (("plain", None), ("averaged", 0.9)):
        train_vae(with_vae(tiny(steps=6), ema_decay=decay), data, tmp_path / name, tmp_path / f"state-{name}")
    plain, averaged = weights(tmp_path / "plain"), weights(tmp_path / "averaged")
    assert any(not torch.equal(plain[name], averaged[name]) for name in plain)
    assert read_json(tmp_path / "averaged/config.json")["train"]["ema_decay"] == 0.9


def test_unreadable_states_are_none(tmp_path: Path) -> None:
    write_torch(tmp_path / "a.pt", {"x": 1})
    (tmp_path / "b.pt").write_bytes(b"not a state")
    assert read_torch(tmp_path / "a.pt") == {"x": 1}
    assert read_torch(tmp_path / "b.pt") is None


# --- operations -------------------------------------------------------------------------------------------------------


def test_operations_of_the_denoiser_are_those_that_torch_counts() -> None:
    module = DiT(DitModelConfig(d_model=32, heads=2, layers=3), 8)
    z, mask = torch.randn(5, 7, 8), torch.ones(5, 7, dtype=torch.bool)
    with FlopCounterMode(display=False) as counter:
        out = module(z, z, torch.rand(5), encode_conditions((), [Kind.CRYSTAL] * 5, [{}] * 5), mask)
        forward = counter.get_total_flops()
        out.sum().backward()
    once = sum(
        p.numel() for name, p in module.named_parameters() if p.ndim == 2 and ("modulation" in name or "time" in name)
    )
    counted = training_flops(module, np.full(5, 7)) / 3
    assert counted == pytest.approx(forward - 2 * 5 * once, rel=0.02)


def test_operations_of_the_autoencoder_are_those_that_torch_counts() -> None:
    module = VAE(VaeModelConfig(d_model=32, heads=2, encoder_layers=2, decoder_layers=1), 100)
    systems = [random_molecule(np.random.default_rng(i), 6, str(i)) for i in range(4)]
    with FlopCounterMode(display=False) as counter:
        features = featurize(batch_of(systems))
        module.decoder(module.encoder(features).mean, features.mask)
    assert training_flops(module, np.full(4, 6)) / 3 == pytest.approx(counter.get_total_flops(), rel=0.03)
