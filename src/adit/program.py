"""A user's program: started without a shell, with a wall limit; its whole process group ends with it."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from adit.errors import ExternalToolError, one_line

_VERSION: Final = re.compile(r"(?i)\bv(?:ersion)?[\s:=]*\d+(?:\.\d+)+|\b[\w-]+[=\s]+\d+\.\d+\.\d+\b")
"""A line that names a version: ``version 1.2``, ``v1.2.3``, ``torch==2.1.0``, ``torch 2.1.0``."""

_LINES: Final = 20
"""Largest number of lines with versions that are kept."""

_TEXT: Final = 1_000_000
"""Number of bytes of the program's messages that are searched at their start, and as many at their end."""

_WATCH: Final = (
    "import os, signal, sys\nif sys.stdin.read() != 'ended':\n    os.killpg(int(sys.argv[1]), signal.SIGKILL)\n"
)
"""Program that kills a process group if the process that started it ends without a message."""


@dataclass(frozen=True)
class Ended:
    """A program that has ended.

    Attributes:
        versions: lines of its messages that name versions.
        last: last line of its messages.
    """

    versions: tuple[str, ...]
    last: str

    @property
    def said(self) -> str:
        """Return its last line in brackets, for an error message; empty if it wrote nothing."""
        return f" (its last line: {self.last})" if self.last else ""


def arguments(command: str) -> list[str]:
    """Return the arguments of a command line, with environment variables replaced in each.

    Raises:
        ValueError: a quotation mark is not closed.
    """
    return [os.path.expandvars(word) for word in shlex.split(command)]


def run_program(words: Sequence[str], who: str, wall_limit_s: float, otherwise: str = "") -> Ended:
    """Run a program to its end; afterwards nothing of its process group runs, also after an error.

    Args:
        words: the program and its arguments, without placeholders.
        who: key of the configuration, for messages.
        wall_limit_s: largest wall time, s.
        otherwise: what else to change if the program exceeds the limit, for the message.

    Raises:
        ExternalToolError: it does not start, exits with an error, or exceeds the limit.
    """
    with tempfile.TemporaryFile("w+b") as messages:
        try:
            process = subprocess.Popen(
                list(words), stdin=subprocess.DEVNULL, stdout=messages, stderr=subprocess.STDOUT, start_new_session=True
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise ExternalToolError(f"{who}: {words[0]} does not start ({reason}); check the path") from error
        with _ended_with_us(process):
            try:
                code = process.wait(timeout=wall_limit_s)
            except subprocess.TimeoutExpired:
                raise ExternalToolError(
                    f"{who}: {words[0]} was ended at the wall limit of {wall_limit_s:g} s; "
                    f"raise {who}_wall_limit_s{otherwise}"
                ) from None
        ended = _ended(messages.fileno())
    if code:
        how = f"was ended by signal {-code}" if code < 0 else f"exited with {code}"
        raise ExternalToolError(f"{who}: {words[0]} {how}{ended.said}")
    return ended


@contextmanager
def _ended_with_us(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Kill the process group at the end of the block, and also when this process is killed within it."""
    watch = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _WATCH, str(process.pid)], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        with contextlib.suppress(BrokenPipeError):
            watch.communicate(b"ended")


def _ended(messages: int) -> Ended:
    size = os.fstat(messages).st_size
    begin = os.pread(messages, _TEXT, 0)
    end = os.pread(messages, _TEXT, max(_TEXT, size - _TEXT)) if size > _TEXT else b""
    lines = [one_line(line, 200) for line in (begin + end).decode("utf-8", "replace").splitlines() if line.strip()]
    versions = dict.fromkeys(line for line in lines if _VERSION.search(line))
    return Ended(tuple(versions)[:_LINES], lines[-1] if lines else "")
