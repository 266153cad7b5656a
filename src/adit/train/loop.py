"""Training loop of both stages: deterministic in seed and step, resumable at any time, progress on the terminal."""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from adit.data.batching import share_of, size_buckets
from adit.errors import AditError
from adit.model.build import autocast, in_bf16, parameter_count
from adit.model.compiling import compile_blocks, to_compile
from adit.model.flops import matmul_rate, training_flops
from adit.progress import duration, log
from adit.store import write_extxyz, write_frame
from adit.train.checkpoint import Checkpoints
from adit.train.distributed import World, join
from adit.train.draws import Draws, step_generator
from adit.train.ema import Ema
from adit.train.loggers import Logger, make_loggers
from adit.train.optimizer import make_optimizer
from adit.train.plan import Fit, Plan
from adit.train.schedule import decay_factor, learning_rate
from adit.train.signals import Signals, listening

PROGRESS_EVERY_S = 5.0
"""Seconds between lines of progress on the terminal."""

AGREE_EVERY = 8
"""Number of steps between synchronisations of clock and stop signal, with several processes."""


@dataclass
class _State:
    """State of a training besides weights and optimiser; it is part of the resume state."""

    step: int = 0
    seconds: float = 0.0
    best: float = math.inf
    rows: list[dict[str, Any]] = field(default_factory=list)
    sums: dict[str, Tensor] = field(default_factory=dict)
    since: int = 0
    decay_from: int | None = None


class StoppedError(AditError):
    """Training was stopped by a signal; its state is on disk, and the same command continues from it."""

    exit_code = 143


def fit(plan: Plan) -> Fit:
    """Train a network and return the result.

    A training with a resume state in ``plan.state_dir`` continues from it.

    Raises:
        AditError: the loss is not finite; the systems of its batch are saved in ``plan.state_dir``.
        StoppedError: SIGTERM or SIGUSR1 was received; the state is saved.
        ConfigError: compilation is requested without a C++ compiler, or a logger is not installed.
        DataError: a state cannot be written.
    """
    return _Trainer(plan, join()).run()


class _Trainer:
    def __init__(self, plan: Plan, world: World) -> None:
        self.plan, self.world = plan, world
        self.task, self.config, self.device = plan.task, plan.config, plan.device
        self.mixture = plan.corpus.mixture(plan.config.batch_size, plan.seed)
        fast = in_bf16(plan.device, plan.config.precision)
        self.waste, self.smallest = (0.15, 1024) if fast else (0.08, 256)  # small parts waste fast matrix products
        self.share = share_of(world.rank, world.size, plan.config.batch_size)
        self.parameters = [p for p in plan.task.module.parameters() if p.requires_grad]
        self.optimizer = make_optimizer(plan.task.module, plan.config, in_bf16=fast)
        self.ema = None if plan.ema_decay is None else Ema(plan.task.module, plan.ema_decay)
        self.checkpoints = Checkpoints(plan.state_dir, plan.key)
        self.loggers: list[Logger] = []
        self.state = _State()
        epochs = plan.config.max_epochs * self.mixture.steps_per_epoch
        self.total = min(epochs, plan.config.max_steps or epochs)
        self.not_finite = torch.full((), -1.0, device=self.device)  # the first step whose loss was not finite
        self.atoms, self.computed, self.flops, self.said = 0, 0, 0.0, time.monotonic()
        self.row_atoms, self.row_seconds = 0, 0.0

    # --- resume -------------------------------------------------------------------------------------------------------

    def save(self, *, wait: bool = False) -> None:
        self._refuse_not_finite()
        if not self.world.leads:
            return
        state = {
            "module": self.task.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "ema": None if self.ema is None else self.ema.weights,
            "progress": vars(self.state),
        }
        self.checkpoints.save(self.state.step, state, wait=wait)
        write_frame(self.checkpoints.path("metrics.csv"), pd.DataFrame(self.state.rows))

    def restore(self) -> None:
        saved = self.checkpoints.load()
        if saved is None:
            return
        self.task.module.load_state_dict(saved["module"])
        self.optimizer.load_state_dict(saved["optimizer"])
        if self.ema is not None:
            self.ema.weights = {name: w.to(self.device) for name, w in saved["ema"].items()}
        self.state = _State(**saved["progress"])
        self.state.sums = {name: value.to(self.device) for name, value in self.state.sums.items()}
        self.row_seconds = self.state.seconds
        if self.plan.decay_steps is not None and self.state.decay_from is not None:
            self.total = self.state.decay_from + self.plan.decay_steps
        self._tell("resumed at step %d of %d", self.state.step, self.total)

    def _tell(self, message: str, *values: object) -> None:
        if self.world.leads:
            log.info(message, *values)

    # --- running ------------------------------------------------------------------------------------------------------

    def run(self) -> Fit:
        self.restore()
        if to_compile(self.config.compile, self.device):
            self._tell("compiling %d blocks", compile_blocks(self.task.module))
        if self.world.leads and self.config.loggers:
            place, settings = self.plan.state_dir, self.config.model_dump(mode="json")
            self.loggers = make_loggers(
                self.config.loggers, place, self.task.name, self.plan.key, settings, self.state.step
            )
        try:
            return self._train()
        finally:
            for logger in self.loggers:
                logger.close()

    def _train(self) -> Fit:
        self._tell(
            "training %s: %.2f M parameters on %s%s, at most %d steps",
            self.task.name,
            parameter_count(self.task.module) / 1e6,
            self.device,
            f" x {self.world.size}" if self.world.size > 1 else "",
            self.total,
        )
        with listening() as signals:
            stopped = self._steps(signals)
        if not stopped and self.config.max_steps is not None and self.state.step < self.total and self.world.leads:
            log.warning(
                "max_minutes (%g) ended the training at step %d of %d: how far it got depends on the machine",
                self.config.max_minutes,
                self.state.step,
                self.total,
            )
        if stopped:
            self.save(wait=True)
            raise StoppedError(f"stopped at step {self.state.step}; the same command continues from there")
        self._end()
        averaged = None if self.ema is None else self.ema.weights
        metrics = pd.DataFrame(self.state.rows)
        return Fit(self.state.step, self.state.seconds / 60, metrics, averaged, self.world.leads)

    def _end(self) -> None:
        """Log and validate the last step, once: a process killed after that resumes here, with these rows."""
        self._log_train()
        last = self.state.rows[-1] if self.state.rows else {}
        if (last.get("step"), last.get("split")) != (self.state.step, "val"):
            self._validate()
        self.save(wait=True)

    def _steps(self, signals: Signals) -> bool:
        """Train until the budget is spent; return whether a signal ended it."""
        started = saved = self.said = time.monotonic()
        before = self.state.seconds
        while self.state.step < self.total and not self._out_of_time():
            self._one_step()
            self.state.step += 1
            now = time.monotonic()
            stop = self._agree(before + now - started, signals.to_stop)
            if self.state.step % self.config.log_every == 0:
                self._log_train()
            if self.state.step % self.config.val_every == 0 and self.state.step < self.total:
                self._validate()
            if now - self.said >= PROGRESS_EVERY_S or self.state.step == self.total:
                self._say(now)
            if now - saved >= 60 * self.config.checkpoint_minutes:
                self.save()
                saved = now
            if stop and self.state.step < self.total:
                return True
        return False

    def _agree(self, seconds: float, stop: bool) -> bool:
        """Set the clock; return whether to stop. Several processes synchronise both, so that all end at the same step.

        They synchronise every few steps only, since the host waits for the device.
        """
        if self.world.size == 1:
            self.state.seconds = seconds
            return stop
        if self.state.step % AGREE_EVERY:
            return False
        said = torch.tensor([seconds / self.world.size, float(stop)], device=self.device)
        self.world.sum_([said])
        self.state.seconds, stopping = said.tolist()
        return stopping > 0

    def _out_of_time(self) -> bool:
        return self.state.decay_from is None and self._time_spent() >= 1.0

    def _one_step(self) -> None:
        """Do one optimiser step; losses stay on the device."""
        self.task.module.train()
        self.optimizer.set_rate(self._learning_rate())
        rows = self.mixture.batch(self.state.step)
        sizes = self.plan.corpus.sizes(rows, "train")
        generator = step_generator(self.plan.seed, self.task.name, self.state.step)
        draws = Draws.make(sizes, generator, self.task.per_system, self.task.per_atom)
        sums: dict[str, Tensor] = {}
        for part in size_buckets(sizes[self.share], self.waste, self.smallest, self.config.batch_atoms):
            places = self.share[part]
            with autocast(self.device, self.config.precision):
                losses = self.task.losses(rows[places], draws.part(places, self.device), "train")
            torch.autograd.backward(losses["loss"].sum() / len(rows))
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value.detach().sum() / len(rows)
            self.computed += len(part) * int(sizes[places].max())
            self.flops += self.task.passes(draws) * training_flops(self.task.module, sizes[places])
        self.world.sum_([p.grad for p in self.parameters if p.grad is not None])
        if self.config.grad_clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.config.grad_clip, foreach=True)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.ema is not None:
            self.ema.update(self.task.module)
        self._count(sums, int(sizes[self.share].sum()))

    def _count(self, sums: dict[str, Tensor], atoms: int) -> None:
        self.world.sum_(sums.values())
        first = ~torch.isfinite(sums["loss"]) & (self.not_finite < 0)
        self.not_finite = torch.where(first, float(self.state.step), self.not_finite)
        for name, value in sums.items():
            self.state.sums[name] = self.state.sums.get(name, 0.0) + value
        self.state.since += 1
        self.atoms += atoms
        self.row_atoms += atoms * self.world.size

    def _refuse_not_finite(self) -> None:
        step = int(self.not_finite.item())
        if step < 0:
            return
        rows = self.mixture.batch(step)
        path = self.plan.state_dir / f"not-finite-{step}.extxyz"
        if self.world.leads:
            self.checkpoints.path(path.name)
            write_extxyz(path, self.plan.corpus.systems(rows, "train"))
            write_frame(self.checkpoints.path("metrics.csv"), pd.DataFrame(self.state.rows))
        raise AditError(
            f"training {self.task.name}: the loss is not finite at step {step}; its batch is in {path}; "
            "lower the learning rate (lr), set grad_clip, or set precision: fp32"
        )

    def _learning_rate(self) -> float:
        spent = self.state.step / self.total
        if self.config.max_steps is None:
            spent = max(spent, self._time_spent())
        rate = learning_rate(self.config, self.state.step, spent)
        if self.plan.decay_steps is None or self.state.decay_from is None:
            return rate
        return rate * decay_factor(self.state.step - self.state.decay_from, self.plan.decay_steps)

    def _validate(self) -> None:
        """Measure the validation losses of the weights to be stored: the averaged ones, if there are any."""
        with contextlib.nullcontext() if self.ema is None else self.ema.in_place_of(self.task.module):
            self._measure_validation()

    def _measure_validation(self) -> None:
        """Measure the validation losses of the current weights; every process does the same."""
        corpus = self.plan.corpus
        rows = corpus.validation()
        if not len(rows):
            return
        self.task.module.eval()
        sizes = corpus.sizes(rows, "val")
        draws = Draws.make(
            sizes, step_generator(self.plan.seed, "validation"), self.task.per_system, self.task.per_atom
        )
        sums: dict[str, float] = {}
        with torch.no_grad(), autocast(self.device, self.config.precision):
            for part in size_buckets(sizes, smallest=4096, largest=self.config.batch_atoms):
                places = np.array(part)
                losses = self.task.losses(rows[places], draws.part(places, self.device), "val")
                for name, value in losses.items():
                    sums[name] = sums.get(name, 0.0) + float(value.sum())
        means = {name: value / len(rows) for name, value in sums.items()}
        self._add_row("val", means)
        self._tell("step %d/%d  validation loss %.4f", self.state.step, self.total, means["loss"])
        if means["loss"] < self.state.best and self.world.leads:
            self.checkpoints.save_best(self.task.module.state_dict(), means["loss"])
        self.state.best = min(self.state.best, means["loss"])

    # --- reporting ----------------------------------------------------------------------------------------------------

    def _say(self, now: float) -> None:
        """Log the progress; apart from the metrics, only this waits for the device."""
        self._refuse_not_finite()
        seconds = now - self.said
        loss = float(self.state.sums["loss"]) / self.state.since if self.state.since else self.state.rows[-1]["loss"]
        done = max(self.state.step / self.total, self._time_spent(), 1e-9)
        self._tell(
            "step %d/%d  loss %.4f  %.0f atoms/s  %.0f%% padding  %.3f TFLOP/s (%.0f%% of the peak)  %s left",
            self.state.step,
            self.total,
            loss,
            self.world.size * self.atoms / seconds,
            100 * (1 - self.atoms / max(1, self.computed)),
            self.world.size * self.flops / seconds / 1e12,
            100 * self.flops / seconds / self._peak,
            duration(self.state.seconds * (1 / done - 1)),
        )
        self.atoms, self.computed, self.flops, self.said = 0, 0, 0.0, now

    @cached_property
    def _peak(self) -> float:
        """Operations per second of plain matrix products; the model's rate divided by it is the utilisation."""
        return matmul_rate(self.device, self.config.precision)

    def _time_spent(self) -> float:
        minutes = self.config.max_minutes
        return 0.0 if minutes is None else self.state.seconds / (60 * minutes)

    def _log_train(self) -> None:
        if self.state.since:
            means = {name: float(v) / self.state.since for name, v in self.state.sums.items()}
            seconds = self.state.seconds - self.row_seconds
            rate = round(self.row_atoms / seconds, 1) if seconds > 0 else float("nan")
            self._add_row("train", {"atoms_per_s": rate, **means})
            self.state.sums, self.state.since = {}, 0
            self.row_atoms, self.row_seconds = 0, self.state.seconds

    def _add_row(self, split: str, means: dict[str, float]) -> None:
        epoch = self.state.step / self.mixture.steps_per_epoch
        place = {"step": self.state.step, "epoch": round(epoch, 3), "split": split}
        self.state.rows.append({**place, "seconds": round(self.state.seconds, 2), **means})
        for logger in self.loggers:
            logger.add(self.state.step, split, {**means, "epoch": epoch, "seconds": self.state.seconds})
