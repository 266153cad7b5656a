"""Signals that save and end a training: SIGTERM, and SIGUSR1, which schedulers send before the time limit."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any


@dataclass
class Signals:
    """Whether a signal to end the training was received (``to_stop``)."""

    to_stop: bool = False


@contextmanager
def listening() -> Iterator[Signals]:
    """Within the block, SIGTERM and SIGUSR1 are recorded and do not end the process; call it in the main thread."""
    signals = Signals()

    def handle(_signal: int, _frame: FrameType | None) -> None:
        signals.to_stop = True

    before: dict[int, Any] = {}
    for number in (signal.SIGTERM, signal.SIGUSR1):
        before[int(number)] = signal.signal(number, handle)
    try:
        yield signals
    finally:
        for old, handler in before.items():
            signal.signal(old, handler)
