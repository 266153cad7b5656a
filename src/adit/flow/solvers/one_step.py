"""One-step solvers: Euler, Heun, and Heun with churn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

from torch import Tensor

from adit.errors import ConfigError
from adit.flow.path import velocity
from adit.flow.solver import Evaluation, Fresh, Step

MAX_CHURN = sqrt(2.0) - 1.0
"""Largest relative rise of the noise level in one step. Source: Karras et al. (2022), Algorithm 2."""


def _euler_step(latents: Tensor, clean: Tensor, t: float, s: float) -> Tensor:
    """Move on a straight line to the prediction; at s = 1 the prediction is reached, without rounding."""
    return clean if s == 1.0 else latents + velocity(clean, latents, t, step=s - t)


def _heun_step(evaluate: Evaluation, latents: Tensor, t: float, s: float) -> Step:
    clean = evaluate(latents, t)
    ahead = _euler_step(latents, clean, t, s)
    if s == 1.0:  # the field cannot be evaluated there
        return Step(s, ahead, clean)
    first = velocity(clean, latents, t)
    clean = evaluate(ahead, s)
    return Step(s, latents + (s - t) * 0.5 * (first + velocity(clean, ahead, s)), clean)


def heun_steps(evaluate: Evaluation, latents: Tensor, times: Sequence[float]) -> Iterator[Step]:
    """Yield the state after each of Heun's steps along ``times``, from ``latents`` (B, M, d) at ``times[0]``."""
    for t, s in pairwise(times):
        step = _heun_step(evaluate, latents, t, s)
        latents = step.latents
        yield step


class Euler:
    """Order 1, one evaluation per step. Source: Algorithm 3."""

    def __call__(
        self, evaluate: Evaluation, noise: Tensor, times: Sequence[float], fresh: Fresh | None
    ) -> Iterator[Step]:
        """Yield the state after each step."""
        latents = noise
        for t, s in pairwise(times):
            clean = evaluate(latents, t)
            latents = _euler_step(latents, clean, t, s)
            yield Step(s, latents, clean)


class Heun:
    """Order 2, two evaluations per step (one in the last, which is an Euler step).

    Source: Karras et al. (2022), Algorithm 1.
    """

    def __call__(
        self, evaluate: Evaluation, noise: Tensor, times: Sequence[float], fresh: Fresh | None
    ) -> Iterator[Step]:
        """Yield the state after each step."""
        yield from heun_steps(evaluate, noise, times)


@dataclass(frozen=True)
class Churned:
    """Heun with churn: before each step but the first, fresh noise raises the noise level (1 − t)/t by a factor.

    Attributes:
        churn: S_churn; each of the T steps raises the level by the factor 1 + min(S_churn/T, √2 − 1). 0 is Heun.

    Source: Karras et al. (2022), Algorithm 2, with σ = (1 − t)/t.
    """

    churn: float

    def __call__(
        self, evaluate: Evaluation, noise: Tensor, times: Sequence[float], fresh: Fresh | None
    ) -> Iterator[Step]:
        """Yield the state after each step.

        Raises:
            ConfigError: churn is above 0, and ``fresh`` is ``None``.
        """
        rise = 1.0 + min(self.churn / (len(times) - 1), MAX_CHURN)
        if rise > 1.0 and fresh is None:
            raise ConfigError("a solver with churn needs a source of noise")
        latents = noise
        for t, s in pairwise(times):
            if t > 0.0 and rise > 1.0 and fresh is not None:
                back = t / (t + rise * (1.0 - t))
                variance = (1.0 - back) ** 2 - (back / t * (1.0 - t)) ** 2
                latents, t = back / t * latents + sqrt(variance) * fresh(), back
            step = _heun_step(evaluate, latents, t, s)
            latents = step.latents
            yield step
