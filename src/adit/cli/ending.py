"""How a verb ends that is told to."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

AGAIN_S = 5.0
"""What still works so long after it was told to end is told again, s: libraries swallow exceptions in callbacks."""


@contextmanager
def tidy_end() -> Iterator[None]:
    """Within the block, SIGTERM unwinds as Ctrl-C does, so that temporary files go; a handler that is there stays."""
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL or signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL:
        yield
        return
    interrupted = signal.getsignal(signal.SIGINT)

    def handle(_signal: int, _frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGALRM, handle)
    if interrupted is signal.default_int_handler:
        signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        for number in (signal.SIGTERM, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, interrupted)
