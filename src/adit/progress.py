"""Progress of long work: one line every few seconds, to the terminal and to the stage's log file."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from adit.errors import AditError, from_os_error, one_line, printable
from adit.outputs.logs import HEADER, own_log

log = logging.getLogger("adit")
"""Logger of the package."""


def setup(
    stage: str, log_file: Path | str | None = None, used: Iterable[Path] = (), written: Iterable[Path] = ()
) -> None:
    """Send the package's messages to standard error and, if given, to a file.

    Args:
        stage: name at the start of every line.
        log_file: the file; its first line says that it is a log, and of which stage. ``None`` for none.
        used: files and folders that the command reads or writes.
        written: files and folders among ``used`` that it writes.

    Raises:
        ConfigError: the log file is one of these, or exists and was not written by this package.
        DataError: the log file cannot be written.
    """
    formatter = _Formatter(f"[{stage}] %(message)s")
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    if log_file is not None:
        path = own_log(Path(log_file), used, written)
        try:
            path.write_text(HEADER.format(stage=stage), encoding="utf-8")
            handlers.append(logging.FileHandler(path, mode="a", encoding="utf-8", errors="replace"))
        except OSError as error:
            raise from_os_error(error, f"writing {path}") from error
    log.handlers.clear()
    logging.raiseExceptions = False  # a log file on a full disk must not add tracebacks to the one clear line
    for handler in handlers:
        handler.setFormatter(formatter)
        log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


LONGEST = 2000
"""Largest number of characters in a line of a message."""

_shown: dict[str, str] = {}
"""Path → path that messages show in its place."""


@contextmanager
def shown_as(path: Path, shown: Path) -> Iterator[None]:
    """Within the block, messages and errors show ``shown`` for ``path``, a file that is moved there when complete."""
    _shown[str(path)] = str(shown)
    try:
        yield
    except AditError as error:
        error.args = tuple(final(part) if isinstance(part, str) else part for part in error.args)
        raise
    except OSError as error:
        if isinstance(error.filename, str):
            error.filename = final(error.filename)
        raise
    finally:
        del _shown[str(path)]


def final(text: str) -> str:
    """Return a text with the paths of unfinished files replaced by their final ones."""
    for path, shown in reversed(_shown.items()):
        text = text.replace(path, shown)
    return text


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(_terminal, final(super().format(record)).split("\n")))


def _terminal(line: str) -> str:
    """Return a line that a terminal can show: no control characters, of bounded length."""
    return printable(line) if len(line) <= LONGEST else one_line(line, LONGEST)


def duration(seconds: float) -> str:
    """Return a duration in seconds as text: ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def quantity(number: int, noun: str, several: str = "") -> str:
    """Return a number with its noun in singular or plural: ``1 candidate``, ``2 candidates``.

    Args:
        number: the number.
        noun: the noun, in the singular.
        several: the plural, if it is not the noun with an s.
    """
    return f"{number} {noun if number == 1 else several or noun + 's'}"


Watcher = Callable[[str, int, int], object]
"""Function of the noun of the items, the number of finished items, and the number of all items."""

_watchers: list[Watcher] = []


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Within the block, call a function at each finished item of long work; an exception that it raises ends the work.

    Args:
        watcher: function of the noun of the items, the number of finished items, and the number of all items.
    """
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.pop()


class Progress:
    """Counts finished items and logs their number at most every ``interval`` seconds, with the time left.

    Args:
        what: noun for the items, e.g. ``"structures"``.
        total: number of all items.
        done: number of items that were finished before (resume).
        interval: smallest time between lines, s.
    """

    def __init__(self, what: str, total: int, done: int = 0, interval: float = 5.0) -> None:
        self.what, self.total, self.done, self.interval = what, total, done, interval
        self._start = self._reported = time.monotonic()
        self._first: tuple[float, int] | None = None

    def update(self, n: int = 1, note: str = "") -> None:
        """Count ``n`` more items; ``note`` is added to the next line."""
        self.done += n
        if _watchers:
            _watchers[-1](self.what, self.done, self.total)
        now = time.monotonic()
        self._first = self._first or (now, self.done)
        if now - self._reported >= self.interval or self.done >= self.total:
            self._reported = now
            log.info(self._line(now, note))

    def _line(self, now: float, note: str) -> str:
        if self.done >= self.total:
            tail = f" in {duration(now - self._start)}"
        else:
            left = self._left(now)
            tail = "" if left is None else f", {duration(left)} left"
        return f"{self.done}/{self.total} {self.what}{tail}{'  ' + note if note else ''}"

    def _left(self, now: float) -> float | None:
        """Return the time left, s; ``None`` before the rate can be estimated.

        The rate counts from the first update on; before it, workers start and models are loaded.
        """
        if self._first is None:
            return None
        seconds, counted = now - self._first[0], self.done - self._first[1]
        if counted < 1 or seconds < self.interval:
            return None
        return seconds / counted * (self.total - self.done)
