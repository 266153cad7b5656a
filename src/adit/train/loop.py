"""One loop for both stages: deterministic in seed and step, resumable at any time, progress on the terminal."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import pandas as pd
import torch
from torch import Tensor, nn

from adit.config import OptimConfig
from adit.data.batching import Item, Mixture, size_buckets
from adit.errors import AditError
from adit.model.build import autocast, parameter_count
from adit.progress import duration, log
from adit.seeds import derive_seed
from adit.store import read_torch, write_torch
from adit.train.ema import Ema


class Task(Protocol):
    """What is trained: a network and the loss of each system of a batch."""

    name: str
    module: nn.Module

    def sizes(self, items: Sequence[Item], split: str) -> list[int]:
        """Return the number of atoms of each item."""
        ...

    def losses(self, items: Sequence[Item], generator: torch.Generator, split: str) -> dict[str, Tensor]:
        """Return per-system losses (B,), among them ``loss``."""
        ...


@dataclass
class Fit:
    """Result of a training.

    Attributes:
        steps: optimiser steps done.
        minutes: training time, min.
        metrics: one row a logged step.
        averaged: averaged weights, where asked for.
    """

    steps: int
    minutes: float
    metrics: pd.DataFrame
    averaged: dict[str, Tensor] | None


@dataclass
class _State:
    step: int = 0
    seconds: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)


class StoppedError(AditError):
    """Training was told to stop; its state is on disk and the same command goes on from there."""

    exit_code = 143


def fit(
    task: Task,
    mixture: Mixture,
    validation: Sequence[Item],
    config: OptimConfig,
    *,
    seed: int,
    key: str,
    state_dir: Path,
    device: torch.device,
    ema_decay: float | None = None,
) -> Fit:
    """Train ``task`` and return what came out.

    Args:
        task: network and losses.
        mixture: gives the systems of each step.
        validation: systems of the validation split.
        config: optimiser, budget, checkpoints.
        seed: seed of everything random; each step has a generator of its own.
        key: hash of configuration and data; a resume state of another key is not used.
        state_dir: folder of the resume state; not an output of the workflow, so that a failed job keeps it.
        device: where to train.
        ema_decay: decay of the averaged weights; ``None`` for none.

    Raises:
        AditError: the loss is not finite.
        StoppedError: SIGTERM came; the state was saved.
    """
    trainer = _Trainer(task, mixture, validation, config, seed, key, state_dir, device, ema_decay)
    return trainer.run()


class _Trainer:
    def __init__(
        self,
        task: Task,
        mixture: Mixture,
        validation: Sequence[Item],
        config: OptimConfig,
        seed: int,
        key: str,
        state_dir: Path,
        device: torch.device,
        ema_decay: float | None,
    ) -> None:
        self.task, self.mixture, self.validation, self.config = task, mixture, validation, config
        self.seed, self.key, self.device = seed, key, device
        self.state_path = state_dir / "resume.pt"
        self.parameters = [p for p in task.module.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=config.lr, weight_decay=config.weight_decay, fused=device.type in ("cpu", "cuda")
        )
        self.ema = None if ema_decay is None else Ema(task.module, ema_decay)
        self.state = _State()
        epochs = config.max_epochs * mixture.steps_per_epoch
        self.total = min(epochs, config.max_steps or epochs)
        self.stop_signal = False

    # --- resume -------------------------------------------------------------------------------------------------------

    def save(self) -> None:
        write_torch(
            self.state_path,
            {
                "key": self.key,
                "module": self.task.module.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "ema": None if self.ema is None else self.ema.weights,
                "step": self.state.step,
                "seconds": self.state.seconds,
                "rows": self.state.rows,
            },
        )

    def restore(self) -> None:
        saved = read_torch(self.state_path)
        if saved is None or saved["key"] != self.key:
            return
        self.task.module.load_state_dict(saved["module"])
        self.optimizer.load_state_dict(saved["optimizer"])
        if self.ema is not None:
            self.ema.weights = saved["ema"]
        self.state = _State(saved["step"], saved["seconds"], saved["rows"])
        log.info("resumed at step %d of %d", self.state.step, self.total)

    # --- running ------------------------------------------------------------------------------------------------------

    def run(self) -> Fit:
        self.restore()
        count = parameter_count(self.task.module)
        log.info(
            "training %s: %.2f M parameters on %s, at most %d steps",
            self.task.name,
            count / 1e6,
            self.device,
            self.total,
        )
        with _on_terminate(self._stop):
            self._steps()
        if self.stop_signal:
            self.save()
            raise StoppedError(f"stopped at step {self.state.step}; the same command goes on from there")
        self._validate()
        self.save()
        averaged = None if self.ema is None else self.ema.weights
        return Fit(self.state.step, self.state.seconds / 60, pd.DataFrame(self.state.rows), averaged)

    def _stop(self) -> None:
        self.stop_signal = True

    def _out_of_time(self) -> bool:
        return self.config.max_minutes is not None and self.state.seconds >= 60 * self.config.max_minutes

    def _steps(self) -> None:
        started = said = saved = time.monotonic()
        before = self.state.seconds
        first_step = self.state.step
        sums: dict[str, float] = {}
        logged, atoms = 0, 0
        while self.state.step < self.total and not self._out_of_time() and not self.stop_signal:
            parts, atoms_here = self._one_step()
            self.state.step += 1
            now = time.monotonic()
            self.state.seconds = before + now - started
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + value
            logged, atoms = logged + 1, atoms + atoms_here
            if self.state.step % self.config.val_every == 0 and self.state.step < self.total:
                self._validate()
            if now - said >= 5.0 or self.state.step == self.total:
                means = {name: value / logged for name, value in sums.items()}
                rate = atoms / (now - said)
                self._log("train", means, rate)
                left = (now - started) / (self.state.step - first_step) * (self.total - self.state.step)
                log.info(
                    "step %d/%d  loss %.4f  %.0f atoms/s  %s left",
                    self.state.step,
                    self.total,
                    means["loss"],
                    rate,
                    duration(min(left, self._time_left())),
                )
                sums, logged, atoms, said = {}, 0, 0, now
            if now - saved >= 60 * self.config.checkpoint_minutes:
                self.save()
                saved = now

    def _time_left(self) -> float:
        minutes = self.config.max_minutes
        return math.inf if minutes is None else 60 * minutes - self.state.seconds

    def _one_step(self) -> tuple[dict[str, float], int]:
        """Do one optimiser step; return the mean losses and the number of atoms."""
        self.task.module.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        items = self.mixture.batch(self.state.step)
        sizes = self.task.sizes(items, "train")
        sums: dict[str, float] = {}
        for part, positions in enumerate(size_buckets(sizes)):
            generator = step_generator(self.seed, self.task.name, self.state.step, part)
            with autocast(self.device, self.config.precision):
                losses = self.task.losses([items[i] for i in positions], generator, "train")
            torch.autograd.backward(losses["loss"].sum() / len(items))
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + float(value.detach().sum())
        means = {name: value / len(items) for name, value in sums.items()}
        self._refuse_not_finite(means)
        if self.config.grad_clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.config.grad_clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.ema is not None:
            self.ema.update(self.task.module)
        return means, sum(sizes)

    def _refuse_not_finite(self, means: Mapping[str, float]) -> None:
        if not math.isfinite(means["loss"]):
            raise AditError(
                f"training {self.task.name}: loss is {means['loss']} at step {self.state.step}; "
                "lower the learning rate (lr), set grad_clip, or set precision: fp32"
            )

    def _learning_rate(self) -> float:
        step, config = self.state.step, self.config
        warm = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
        if not config.lr_decay:
            return config.lr * warm
        spent = step / self.total
        if config.max_minutes is not None:
            spent = max(spent, self.state.seconds / (60 * config.max_minutes))
        return config.lr * warm * 0.5 * (1.0 + math.cos(math.pi * min(1.0, spent)))

    def _validate(self) -> None:
        if not self.validation:
            return
        self.task.module.eval()
        sizes = self.task.sizes(self.validation, "val")
        sums: dict[str, float] = {}
        with torch.no_grad(), autocast(self.device, self.config.precision):
            for part, positions in enumerate(size_buckets(sizes, smallest=4096)):
                generator = step_generator(self.seed, "validation", 0, part)
                losses = self.task.losses([self.validation[i] for i in positions], generator, "val")
                for name, value in losses.items():
                    sums[name] = sums.get(name, 0.0) + float(value.sum())
        means = {name: value / len(self.validation) for name, value in sums.items()}
        self._log("val", means, 0.0)
        log.info("step %d/%d  validation loss %.4f", self.state.step, self.total, means["loss"])

    def _log(self, split: str, means: Mapping[str, float], rate: float) -> None:
        epoch = self.state.step / self.mixture.steps_per_epoch
        self.state.rows.append(
            {
                "step": self.state.step,
                "epoch": round(epoch, 3),
                "split": split,
                "seconds": round(self.state.seconds, 2),
                "atoms_per_s": round(rate, 1),
                **{name: float(value) for name, value in means.items()},
            }
        )


def step_generator(seed: int, *parts: str | int) -> torch.Generator:
    """Return the CPU generator of a step: a function of seed, stage, step and part alone."""
    return torch.Generator().manual_seed(derive_seed("step", seed, *parts))


class _on_terminate:  # noqa: N801 - used as a statement
    """Call ``action`` at SIGTERM instead of dying, within the block."""

    def __init__(self, action: Callable[[], None]) -> None:
        self.action = action
        self.before: Any = None

    def __enter__(self) -> None:
        def handle(_signal: int, _frame: FrameType | None) -> None:
            self.action()

        self.before = signal.signal(signal.SIGTERM, handle)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self.before)
