"""Learning rate over a training: warm-up, then constant or a cosine; and the short decay of a copy."""

from __future__ import annotations

import math

from adit.config import OptimConfig


def learning_rate(config: OptimConfig, step: int, spent: float) -> float:
    """Return the learning rate of a step.

    Args:
        config: rate, warm-up, and whether there is a cosine decay.
        step: number of steps done before this one.
        spent: used share of the budget, 0 to 1.
    """
    warm = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    if not config.lr_decay:
        return config.lr * warm
    return config.lr * warm * 0.5 * (1.0 + math.cos(math.pi * min(1.0, spent)))


def decay_factor(done: int, steps: int) -> float:
    """Return the factor of a decayed copy's learning rate after ``done`` of its ``steps`` steps: 1 - √(done / steps).

    Source: Hägele et al., "Scaling laws and compute-optimal training beyond fixed training durations" (2024).
    """
    return 1.0 - math.sqrt(min(1.0, done / steps))
