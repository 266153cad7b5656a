"""Options of a training in addition to the loss curve's file: loggers, compiled blocks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import jaxtyping
import pandas as pd
import pytest
import torch
from torch import nn

from adit.config import DitModelConfig, OptimConfig, VaeModelConfig
from adit.errors import ConfigError
from adit.model import compiling
from adit.model.compiling import compile_blocks, to_compile
from adit.model.conditions import Conditions
from adit.model.dit import DiT
from adit.model.features import featurize
from adit.model.padding import padding_mask
from adit.model.vae import VAE
from adit.store import read_tensors
from adit.systems import AtomicSystem
from adit.train.vae import train_vae
from tests.systems import batch_of
from tests.unit.train.test_loop import with_vae
from tests.unit.train.test_train import data, tiny  # noqa: F401 - a fixture

# --- loggers ----------------------------------------------------------------------------------------------------------


class FakeWriter:
    instances: ClassVar[list[FakeWriter]] = []

    def __init__(self, log_dir: str, purge_step: int) -> None:
        self.log_dir, self.purge_step, self.scalars, self.closed = log_dir, purge_step, {}, False
        FakeWriter.instances.append(self)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.scalars[name, step] = value

    def close(self) -> None:
        self.closed = True


class FakeRun:
    def __init__(self, options: dict[str, Any]) -> None:
        self.options, self.rows, self.finished = options, [], False

    def log(self, values: dict[str, float], step: int) -> None:
        self.rows.append((step, values))

    def finish(self) -> None:
        self.finished = True


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> list[FakeRun]:
    """Stand in for both packages; return the runs that were started."""
    runs: list[FakeRun] = []
    FakeWriter.instances = []
    board, wandb = ModuleType("torch.utils.tensorboard"), ModuleType("wandb")
    board.SummaryWriter = FakeWriter  # type: ignore[attr-defined]
    wandb.Error = RuntimeError  # type: ignore[attr-defined]

    def init(**options: Any) -> FakeRun:
        runs.append(FakeRun(options))
        return runs[-1]

    wandb.init = init  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", board)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    for variable in ("WANDB_MODE", "WANDB_PROJECT", "WANDB_NAME"):
        monkeypatch.delenv(variable, raising=False)
    return runs


def test_loggers_get_every_row_of_the_curve(tmp_path: Path, data: list[Path], packages: list[FakeRun]) -> None:  # noqa: F811
    stage = with_vae(tiny(steps=6), loggers=("tensorboard", "wandb"))
    train_vae(stage, data, tmp_path / "vae", tmp_path / "state")
    curve = pd.read_csv(tmp_path / "vae/metrics.csv")
    (writer,), (run,) = FakeWriter.instances, packages
    for row in curve.to_dict("records"):
        assert writer.scalars[f"loss/{row['split']}", row["step"]] == pytest.approx(row["loss"])
        assert any(
            step == row["step"] and values.get(f"{row['split']}/loss") == pytest.approx(row["loss"])
            for step, values in run.rows
        )
    assert len(run.rows) == len(curve)
    assert writer.closed
    assert run.finished
    assert Path(writer.log_dir).is_relative_to(tmp_path / "state")
    assert (writer.purge_step, run.options["mode"], run.options["resume"]) == (1, "offline", "allow")
    assert run.options["config"]["batch_size"] == 8


def test_loggers_change_no_weight(tmp_path: Path, data: list[Path], packages: list[FakeRun]) -> None:  # noqa: F811
    for name, loggers in (("with", ("tensorboard", "wandb")), ("without", ())):
        train_vae(with_vae(tiny(steps=3), loggers=loggers), data, tmp_path / name, tmp_path / f"state-{name}")
    a, b = (read_tensors(tmp_path / name / "model.safetensors") for name in ("with", "without"))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert len(packages) == 1


def test_loggers_are_closed_when_training_fails(
    tmp_path: Path,
    data: list[Path],  # noqa: F811
    packages: list[FakeRun],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from adit.train import loop

    def broken(_self: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(loop._Trainer, "_one_step", broken)
    with pytest.raises(KeyboardInterrupt):
        train_vae(with_vae(tiny(), loggers=("wandb",)), data, tmp_path / "vae", tmp_path / "state")
    assert packages[0].finished


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_logger_that_is_not_installed_is_one_clear_line(
    tmp_path: Path,
    data: list[Path],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    for module in ("torch.utils.tensorboard", "wandb"):
        monkeypatch.setitem(sys.modules, module, None)
    stage = with_vae(tiny(steps=1), loggers=(name,))
    with pytest.raises(
        ConfigError, match=f"{name} is not installed; run `pip install {name}`, or remove it from"
    ) as error:
        train_vae(stage, data, tmp_path / "vae", tmp_path / "state")
    assert "\n" not in str(error.value)


# --- compiled blocks --------------------------------------------------------------------------------------------------


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Switch off the checks of shapes, which the compiler cannot look into."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
    torch.compiler.reset()


class Eager:
    """A backend that runs what it is given, and counts it."""

    def __init__(self) -> None:
        self.graphs = 0

    def __call__(self, graph: torch.fx.GraphModule, _inputs: object) -> Any:
        self.graphs += 1
        return graph.forward


def gradients(module: nn.Module, loss: torch.Tensor) -> list[torch.Tensor]:
    partials = torch.autograd.grad(loss, list(module.parameters()), allow_unused=True)
    return [torch.zeros(()) if g is None else g for g in partials]


@pytest.mark.usefixtures("unchecked")
def test_compiled_blocks_are_the_same_autoencoder(mixed: list[AtomicSystem]) -> None:
    torch.manual_seed(0)
    module = VAE(VaeModelConfig(d_model=16, heads=2, encoder_layers=2, decoder_layers=2, latent_dim=4), 100)

    def run() -> list[torch.Tensor]:
        outputs = []
        for systems in (mixed, mixed[:2]):  # another shape
            features = featurize(batch_of(systems))
            decoded = module.decoder(module.encoder(features).mean, features.mask)
            loss = decoded.positions.square().sum() + decoded.lattice.square().sum()
            outputs += [decoded.positions, decoded.lattice, *gradients(module, loss)]
        return outputs

    names = list(module.state_dict())
    plain = run()
    eager = Eager()
    assert compile_blocks(module, backend=eager) == 4
    assert list(module.state_dict()) == names
    torch.testing.assert_close(run(), plain, rtol=0, atol=0)
    assert 0 < eager.graphs <= 4, "one graph serves all blocks and shapes"


@pytest.mark.usefixtures("unchecked")
def test_compiled_blocks_are_the_same_denoiser() -> None:
    torch.manual_seed(0)
    module = DiT(DitModelConfig(d_model=16, heads=2, layers=2), 4)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))

    def run() -> list[torch.Tensor]:
        outputs = []
        for sizes in ([3, 5], [4, 2, 7]):
            mask = padding_mask(torch.tensor(sizes))
            z = torch.randn(*mask.shape, 4, generator=torch.Generator().manual_seed(1))
            conditions = Conditions(torch.zeros(len(sizes), dtype=torch.int64), {})
            t = torch.linspace(0.1, 0.9, len(sizes))
            with torch.no_grad():
                previous = module(z, torch.zeros_like(z), t, conditions, mask)
            out = module(z, previous, t, conditions, mask)
            outputs += [out, *gradients(module, out.square().sum())]
        return outputs

    plain = run()
    eager = Eager()
    assert compile_blocks(module, backend=eager) == 2
    torch.testing.assert_close(run(), plain, rtol=0, atol=0)
    assert eager.graphs > 0


def test_auto_compiles_on_gpus_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert OptimConfig().compile == "auto"
    monkeypatch.setattr(compiling, "has_compiler", lambda _device: True)
    compiled = [to_compile("auto", torch.device(name)) for name in ("cpu", "cuda")]
    assert compiled == [False, True]
    assert [to_compile(mode, torch.device("cuda")) for mode in (True, False)] == [True, False]
    monkeypatch.setattr(compiling, "has_compiler", lambda _device: False)
    assert not to_compile("auto", torch.device("cuda"))
    with pytest.raises(ConfigError, match=r"no C\+\+ compiler was found; install g\+\+"):
        to_compile(True, torch.device("cpu"))


@pytest.mark.parametrize(
    ("device", "variable", "program", "expected"),
    [
        ("cpu", None, "g++", True),
        ("cpu", None, "gcc", False),
        ("cpu", "c++-14", "c++-14", True),
        ("cpu", "c++-14", "g++", False),
        ("cuda", None, "gcc", True),
        ("cuda", None, "clang", True),
        ("cuda", None, "g++", False),
        ("cuda", "cc-14", "gcc", False),
    ],
)
def test_the_compiler_is_the_one_that_torch_calls(
    monkeypatch: pytest.MonkeyPatch, device: str, variable: str | None, program: str, expected: bool
) -> None:
    """Inductor takes ``CXX`` or g++ for code of CPUs; Triton takes ``CC``, gcc or clang for launching kernels."""
    for name in ("CC", "CXX"):
        monkeypatch.delenv(name, raising=False)
    if variable is not None:
        monkeypatch.setenv("CC" if device == "cuda" else "CXX", variable)
    monkeypatch.setattr(compiling.shutil, "which", lambda name: name if name == program else None)
    monkeypatch.setattr(compiling.sys, "platform", "linux")
    assert compiling.has_compiler(torch.device(device)) is expected


def test_a_training_that_is_asked_to_compile_does(
    tmp_path: Path,
    data: list[Path],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[nn.Module] = []
    monkeypatch.setattr("adit.train.loop.to_compile", lambda mode, _device: bool(mode is True))
    monkeypatch.setattr("adit.train.loop.compile_blocks", lambda module: calls.append(module) or len(calls))
    for mode in (True, "auto"):
        train_vae(with_vae(tiny(steps=1), compile=mode), data, tmp_path / f"{mode}", tmp_path / f"state-{mode}")
    assert len(calls) == 1
