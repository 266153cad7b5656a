"""The sampling engine: what a sample is depends on its seed alone; files, trajectories and the command line."""

from __future__ import annotations

import contextlib
import functools
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import torch

from adit.cli import ending, main
from adit.config import SampleConfig, SampleStage
from adit.errors import ConfigError, DataError
from adit.model import compiling
from adit.sample import batches as batching
from adit.sample import engine
from adit.sample.batches import batches
from adit.sample.engine import Sampler
from adit.sample.generate import sample_shard, write_samples
from adit.sample.trajectory import write_trajectories
from adit.store import Row, read_systems, write_systems
from adit.systems import AtomicSystem, Failure, Kind
from tests.weights import write_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_weights(tmp_path_factory.mktemp("weights"))


def stage(seed: int = 3, **sample: Any) -> SampleStage:
    return SampleStage(seed=seed, sample=SampleConfig.model_validate({"steps": 4, "guidance": 1.5, **sample}))


def sampled(weights: Path, out: Path, kind: Kind, count: int, **sample: Any) -> list[Row]:
    shards = sample.get("shards", 1)
    stage_config = stage(**{str(kind): count, "shards": 1, **sample})
    rows: list[Row] = []
    for shard in range(shards):
        path = out / f"{shard}.arrow"
        sample_shard(stage_config, weights / "vae", weights / "dit", kind, shard, path)
        rows += list(read_systems(path))
    return rows


def same(one: list[Row], other: list[Row]) -> None:
    """Equal in types and to 1e-3 Å."""
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert a.system_id == b.system_id
        assert isinstance(a, AtomicSystem) == isinstance(b, AtomicSystem)
        if isinstance(a, AtomicSystem) and isinstance(b, AtomicSystem):
            assert np.array_equal(a.numbers, b.numbers)
            np.testing.assert_allclose(a.positions, b.positions, atol=1e-3)


@pytest.mark.parametrize(
    "solver",
    [
        {"solver": "euler"},
        {"solver": "heun", "grid": "quadratic"},
        {"solver": "exp-ab2"},
        {"solver": "sde", "churn": 3.0},
        {"solver": "ddim", "eta": 1.0, "temperature": 0.7},
        {"solver": "adaptive", "tolerance": 0.05},
        {"solver": "ab2", "guidance_interval": (0.2, 0.7), "skip_guidance": 2.0, "skip_blocks": (1,)},
    ],
    ids=lambda s: s["solver"],
)
def test_samples_do_not_depend_on_batches_or_shards(weights: Path, tmp_path: Path, solver: dict[str, Any]) -> None:
    count = {"euler": 64, "adaptive": 4}.get(solver["solver"], 12)
    one = sampled(weights, tmp_path / "a", Kind.CRYSTAL, count, batch_atoms=10_000, **solver)
    many = sampled(weights, tmp_path / "b", Kind.CRYSTAL, count, batch_atoms=20, shards=3, **solver)
    same(one, many)
    assert [row.system_id for row in one] == [f"crystal-3-{i}" for i in range(count)]
    assert len({row.positions.tobytes() for row in one if isinstance(row, AtomicSystem)}) > 0.9 * count


def test_sizes_and_noise_are_functions_of_seed_kind_and_index(weights: Path) -> None:
    sampler = Sampler(weights / "vae", weights / "dit")
    first, again = sampler.request(stage(), Kind.CRYSTAL), sampler.request(stage(shards=7), Kind.CRYSTAL)
    assert all(np.array_equal(first.draw(i).noise, again.draw(i).noise) for i in range(20))
    other = sampler.request(stage(seed=4), Kind.CRYSTAL)
    assert not all(np.array_equal(first.draw(i).noise, other.draw(i).noise) for i in range(20))
    sizes = [len(first.draw(i)) for i in range(400)]
    assert set(sizes) == {2, 4, 6, 9}
    assert sizes.count(4) / 400 == pytest.approx(0.4, abs=0.07)


def test_windows_of_any_length_give_the_same_file(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = sampled(weights, tmp_path / "a", Kind.CRYSTAL, 40, batch_atoms=20)
    held: list[int] = []
    original = batching.windows

    def counting(*args: Any) -> Any:
        for window in original(*args):
            held.append(len(window))
            yield window

    monkeypatch.setattr(batching, "BATCHES_A_WINDOW", 2)
    monkeypatch.setattr("adit.sample.generate.windows", counting)
    same(whole, sampled(weights, tmp_path / "b", Kind.CRYSTAL, 40, batch_atoms=20))
    assert sum(held) == 40
    assert max(held) <= 20  # 2 batches of 20 atoms, at least 2 atoms each


def test_files_are_written_window_by_window(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa

    monkeypatch.setattr(batching, "BATCHES_A_WINDOW", 1)
    sampled(weights, tmp_path, Kind.CRYSTAL, 30, batch_atoms=20)
    assert pa.ipc.open_file(tmp_path / "0.arrow").num_record_batches > 3


def test_batches_hold_like_sizes_within_the_budget() -> None:
    sizes = [int(n) for n in np.random.default_rng(0).integers(1, 30, 200)]
    groups = batches(sizes, 64)
    assert sorted(i for group in groups for i in group) == list(range(200))
    assert all(len(group) * max(sizes[i] for i in group) <= 64 or len(group) == 1 for group in groups)
    padded = sum(len(group) * max(sizes[i] for i in group) for group in groups)
    assert sum(sizes) / padded > 0.9
    assert batches([5, 100, 3], 10) == [[1], [0, 2]]
    assert all(len(group) == 1 for group in batches(sizes, 64, alone=True))


def test_the_weaker_denoiser_is_the_model_without_some_blocks(weights: Path, tmp_path: Path) -> None:
    blocks = len(Sampler(weights / "vae", weights / "dit").dit.blocks)
    plain = sampled(weights, tmp_path / "a", Kind.CRYSTAL, 2)
    guided = sampled(weights, tmp_path / "b", Kind.CRYSTAL, 2, skip_guidance=2.0, skip_blocks=(0,))
    with pytest.raises(AssertionError):
        same(plain, guided)
    for skip in ((blocks,), tuple(range(blocks))):
        with pytest.raises(ConfigError, match="one has to be left"):
            sampled(weights, tmp_path / "c", Kind.CRYSTAL, 2, skip_guidance=2.0, skip_blocks=skip)
    for alone in ({"skip_guidance": 2.0}, {"skip_blocks": (0,)}):
        with pytest.raises(ValueError, match="must be set together"):
            stage(**alone)


def test_a_broken_decoding_is_a_row_with_a_reason(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Sampler.decode

    def broken(self: Sampler, *inputs: torch.Tensor) -> Any:
        decoded = original(self, *inputs)
        decoded.lattice[0, 3:] = 3.0
        return decoded

    monkeypatch.setattr(Sampler, "decode", broken)
    rows = sampled(weights, tmp_path, Kind.CRYSTAL, 5)
    failures = [row for row in rows if isinstance(row, Failure)]
    assert len(rows) == 5
    assert len(failures) == 1
    assert failures[0].stage == "decode"
    assert "span no volume" in failures[0].reason


def test_weights_of_another_autoencoder_are_refused(weights: Path, tmp_path: Path) -> None:
    other = write_weights(tmp_path, seed=1)
    with pytest.raises(DataError, match="another autoencoder"):
        Sampler(weights / "vae", other / "dit")


def test_bf16_changes_the_denoiser_alone(weights: Path) -> None:
    rounded = Sampler(weights / "vae", weights / "dit", "bf16")
    assert rounded.dit.blocks[0].attention.qkv.weight.dtype is torch.bfloat16  # type: ignore[union-attr]
    assert all(p.dtype is torch.float32 for p in rounded.vae.parameters())
    request, config = rounded.request(stage(), Kind.CRYSTAL), stage().sample
    draws = [request.draw(i) for i in range(6)]
    near, mask = rounded.latents(draws, request, config)
    exact, _ = Sampler(weights / "vae", weights / "dit", "fp32").latents(draws, request, config)
    assert near.dtype is torch.float32
    assert 0 < float((near - exact)[mask].abs().max()) < 0.1


def test_compiling_is_for_much_work_or_on_request(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[Any] = []
    monkeypatch.setattr(torch, "compile", lambda module, **options: compiled.append(module) or module)
    monkeypatch.setattr(compiling, "has_compiler", lambda _device: True)
    monkeypatch.setattr(engine, "has_compiler", lambda _device: True)
    sampler = Sampler(weights / "vae", weights / "dit")
    sampler.prepare("auto", 100, 10)
    sampler.prepare("off", 10**12, 1000)
    assert not compiled
    sampler.prepare("auto", 10**12, 1000)
    sampler.prepare("on", 1, 1)
    assert len(compiled) == 2
    monkeypatch.setattr(compiling, "has_compiler", lambda _device: False)
    monkeypatch.setattr(engine, "has_compiler", lambda _device: False)
    sampler.prepare("auto", 10**12, 1000)
    with pytest.raises(ConfigError, match=r"sample\.compile: no C\+\+ compiler was found; install g\+\+, or set"):
        sampler.prepare("on", 1, 1)
    assert len(compiled) == 2


def test_a_gpu_without_a_compiler_runs_the_denoiser_as_it_is(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = Sampler(weights / "vae", weights / "dit")
    compiled: list[Any] = []
    monkeypatch.setattr(torch, "compile", lambda module, **options: compiled.append(module) or module)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(compiling.shutil, "which", lambda _name: None)
    monkeypatch.delenv("CC", raising=False)
    sampler.device = torch.device("cuda")
    sampler.prepare("auto", 10**12, 1000)
    with pytest.raises(ConfigError, match=r"sample\.compile: no C compiler was found; install gcc, or set"):
        sampler.prepare("on", 1, 1)
    assert not compiled


def test_a_trajectory_ends_in_the_sample(weights: Path, tmp_path: Path) -> None:
    config = stage(steps=6)
    folders = weights / "vae", weights / "dit"
    write_trajectories(config, *folders, Kind.CRYSTAL, [2, 0], 4, tmp_path / "path.extxyz")
    frames = ase.io.read(tmp_path / "path.extxyz", index=":", format="extxyz")
    assert [frame.info["system_id"] for frame in frames] == ["crystal-3-2"] * 4 + ["crystal-3-0"] * 4
    assert [frame.info["t"] for frame in frames[:4]] == pytest.approx([1 / 6, 0.5, 2 / 3, 1.0], abs=0.18)
    assert frames[3].info["t"] == 1.0
    write_samples(Sampler(*folders), config, Kind.CRYSTAL, [2], tmp_path / "2.arrow")
    sample = read_systems(tmp_path / "2.arrow")[0]
    np.testing.assert_allclose(frames[3].positions, sample.positions, atol=1e-3)
    assert not np.allclose(frames[0].positions, frames[3].positions, atol=1e-2)


def test_a_trajectory_takes_formulas_by_substitution(
    weights: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cell = np.eye(3) * 4.1
    salts = [
        AtomicSystem(name, Kind.CRYSTAL, np.array(numbers), np.array([[0.0] * 3, [2.05] * 3]), cell)
        for name, numbers in (("CsCl", [55, 17]), ("NaBr", [11, 35]), ("KI", [19, 53]))
    ]
    write_systems(tmp_path / "salts.arrow", salts, splits=["train"] * 3)
    out = tmp_path / "path.extxyz"
    words = ["trajectory", "--weights", str(weights), "--kind", "crystal", "--steps", "3", "--frames", "2"]
    words += ["--formulas", "substitution", "--index", "0", "--out", str(out)]
    assert main(words) == 2
    assert "give --formulas-data" in capfd.readouterr().err
    assert main([*words, "--formulas-data", str(tmp_path / "salts.arrow")]) == 0
    frames = ase.io.read(out, index=":", format="extxyz")
    assert frames
    assert all(len(set(frame.numbers)) == 2 for frame in frames)


def test_the_command_line_samples_from_a_trained_pair_alone(weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.arrow"
    words = ["sample", "--weights", str(weights), "--n", "5", "--kind", "molecule", "--steps", "3", "--out", str(out)]
    settings = ["--solver", "ab2", "--guidance", "1", "--atoms", "3-4", "--seed", "9"]
    assert main([*words, *settings]) == 0
    table = read_systems(out)
    assert table.ids == [f"molecule-9-{i}" for i in range(5)]
    assert all(len(row) == 3 for row in table)
    assert table.metadata["solver"] == "ab2"
    assert table.metadata["conditions"] == {"atoms": [3, 4]}


def test_the_stage_writes_how_long_sampling_took(weights: Path, tmp_path: Path) -> None:
    timing = tmp_path / "a.json"
    settings = SampleConfig(solver="ab2", steps=3, guidance=1.0)
    text = SampleStage(seed=9, sample=settings).model_dump_json(by_alias=True)
    words = ["stage", "sample", "--vae", str(weights / "vae"), "--dit", str(weights / "dit"), "--config", text]
    words += ["--n", "5", "--kind", "molecule", "--out", str(tmp_path / "a.arrow"), "--timing", str(timing)]
    assert main(words) == 0
    taken = json.loads(timing.read_text())
    assert taken["samples"] == 5
    assert taken["evaluations"] == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--kind", "mof"], "trained on crystal, molecule"),
        (["--kind", "crystal", "--spacegroup", "225"], "not trained with that label"),
        (["--kind", "molecule", "--spacegroup", "2"], "a molecule has none"),
        (["--kind", "crystal", "--atoms", "many"], "--atoms many"),
        (["--kind", "crystal", "--label", "gap"], "--label gap"),
        (["--kind", "crystal", "--guidance", "-1"], "greater than or equal to 0"),
        (["--kind", "crystal", "--churn", "1"], "churn belongs to solver sde"),
        (["--kind", "crystal", "--eta", "1"], "belong to solver ddim"),
        (["--kind", "crystal", "--tolerance", "0.1"], "tolerance belongs to solver adaptive"),
        (["--kind", "crystal", "--solver", "ddim", "--temperature", "0.5"], "eta is 0"),
        (["--kind", "crystal", "--motif", "none.cif"], "no such file"),
    ],
)
def test_what_cannot_be_is_one_clear_line(
    weights: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    code = main(["sample", "--weights", str(weights), "--n", "2", "--out", str(tmp_path / "x.arrow"), *words])
    assert code == 2
    assert not (tmp_path / "x.arrow").exists()
    assert message in capfd.readouterr().err


@pytest.mark.parametrize("option", ["--vae", "--dit"])
def test_half_a_model_is_one_clear_line(tmp_path: Path, option: str, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["sample", "--kind", "crystal", "--n", "1", "--out", str(tmp_path / "x.arrow")]
    assert main([*words, option, str(tmp_path)]) == 2
    assert "--vae and --dit belong together" in capfd.readouterr().err


def test_an_unknown_kind_is_refused_in_shards_too(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"set sample.mof to 0"):
        sample_shard(stage(), weights / "vae", weights / "dit", Kind.MOF, 0, tmp_path / "x.arrow")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_command_leaves_nothing_behind(weights: Path, tmp_path: Path, number: signal.Signals) -> None:
    words = ["sample", "--weights", str(weights), "--kind", "crystal", "--n", "100000", "--out", "out/x.arrow"]
    # A shell's background jobs ignore SIGINT, and so would this one.
    listens = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        [sys.executable, "-m", "adit", *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True, preexec_fn=listens
    ) as process:
        try:
            while not list(tmp_path.glob("out/.adit/new-*")):
                assert process.poll() is None
                time.sleep(0.05)
            process.send_signal(number)
            error = process.communicate(timeout=60)[1]
        finally:
            process.kill()
    assert process.returncode == 130
    assert "interrupted" in error
    assert "Traceback" not in error
    left = [path.name for path in (tmp_path / "out").rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert left == []


def test_what_swallows_the_end_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "AGAIN_S", 0.1)

    @ending.tidy_end()
    def swallow() -> None:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        time.sleep(30)

    with pytest.raises(KeyboardInterrupt):
        swallow()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0.0
