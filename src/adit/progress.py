"""Progress of long work: one line every few seconds, to the terminal and to the stage's log file."""

from __future__ import annotations

import logging
import time
from pathlib import Path

log = logging.getLogger("adit")


def setup(stage: str, log_file: Path | str | None = None) -> None:
    """Send the package's messages to standard error and, where given, to ``log_file``; ``stage`` opens every line."""
    formatter = logging.Formatter(f"[{stage}] %(message)s")
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    if log_file is not None:
        Path(log_file).parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(log_file, mode="w", encoding="utf-8"))
    log.handlers.clear()
    logging.raiseExceptions = False  # a log file on a full disk must not add tracebacks to the one clear line
    for handler in handlers:
        handler.setFormatter(formatter)
        log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


def duration(seconds: float) -> str:
    """Return a duration for people: ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Progress:
    """Counts work done and says so at most every ``interval`` seconds, with the time left.

    Args:
        what: what is counted, e.g. ``"structures"``.
        total: how many there are.
        done: how many were done before (resume).
        interval: seconds between lines.
    """

    def __init__(self, what: str, total: int, done: int = 0, interval: float = 5.0) -> None:
        self.what, self.total, self.done, self.interval = what, total, done, interval
        self._start, self._done_before, self._said = time.monotonic(), done, time.monotonic()

    def update(self, n: int = 1, note: str = "") -> None:
        """Count ``n`` more; ``note`` is put at the end of the line, when one is due."""
        self.done += n
        now = time.monotonic()
        if now - self._said >= self.interval or self.done >= self.total:
            self._said = now
            log.info(self._line(now, note))

    def _line(self, now: float, note: str) -> str:
        elapsed, fresh = now - self._start, self.done - self._done_before
        left = duration(elapsed / fresh * (self.total - self.done)) if fresh > 0 else "?"
        tail = f", {left} left" if self.done < self.total else f" in {duration(elapsed)}"
        return f"{self.done}/{self.total} {self.what}{tail}{'  ' + note if note else ''}"
