"""Running the programs of the set-up: what they do is shown, what they say is kept, why they failed is one line."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_EVERY_S = 10.0  # a line of progress this often

# What failed, as the tools say it, and the way out. The first match wins.
_CAUSES = [
    (
        r"No space left on device|os error 28|Disk quota exceeded",
        "the disk is full",
        "free some space and run `{again}`",
    ),
    (
        r"dns error|Name or service not known|Temporary failure in name|[Cc]onnection (refused|reset|aborted|timed out)"
        r"|Network is unreachable|error sending request|Max retries exceeded|Read timed out|operation timed out"
        r"|ProxyError|certificate verify failed|invalid peer certificate|unexpected EOF|IncompleteRead"
        r"|incomplete message|error decoding response body|HTTP (error|status)|50[0-9] (Server|Bad|Service)",
        "the package index cannot be reached",
        "check the network and `pip config list`, then run `{again}`; it goes on where it stopped",
    ),
    (
        r"\(from versions: none\)",
        "the package index cannot be reached, or lacks the package",
        "check the network and `pip config list`, then run `{again}`; it goes on where it stopped",
    ),
    (
        r"Python\.h: No such file",
        "Python's headers are missing, and a package has no wheel for this Python",
        "install them (Debian and Ubuntu: python3-dev) or use Python 3.11, then run `{again}`",
    ),
    (
        r"error: command '[^']*(gcc|cc|clang)' failed: No such file|unable to execute '[^']*'"
        r"|No such file or directory: '[^']*cc'",
        "there is no C compiler, and a package has no wheel for this Python",
        "install one (Debian and Ubuntu: gcc libc6-dev) or use Python 3.11, then run `{again}`",
    ),
    (r"Permission denied|Read-only file system", "a folder cannot be written", "make it writable and run `{again}`"),
    (
        r"No matching distribution|No solution found|not found in the package registry|was not found|no wheels with",
        "a locked package cannot be had",
        "check `pip config list` (an index or a folder that lacks it, no wheel for this Python or platform)",
    ),
]


_COMPILER_ERROR = r":\d+(:\d+)?: (fatal |internal compiler )?error: |internal compiler error"


class SetupError(Exception):
    """The set-up cannot continue; its text is one line: what, where, the way out."""


def say(text: str) -> None:
    """Print a line of the set-up."""
    sys.stderr.write(f"[env] {text}\n")
    sys.stderr.flush()


def run(
    command: Sequence[object],
    log: Path,
    environ: Mapping[str, str],
    doing: str,
    *,
    again: str = "make env",
    timeout_s: float | None = None,
) -> str:
    """Run a program, show its progress every few seconds, and return its output.

    Args:
        command: program and arguments.
        log: the output is appended to this file.
        environ: the program's whole environment.
        doing: description of the step, for progress lines and the error.
        again: the command that continues after a failure.
        timeout_s: the program is ended after so many seconds.

    Raises:
        SetupError: it failed; the cause, the log and the way out in one line.
    """
    began, lines = time.monotonic(), [""]
    try:
        process = subprocess.Popen(
            [str(word) for word in command],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise SetupError(f"{doing}: {command[0]} cannot be started ({error.strerror})") from error
    watch = threading.Thread(target=_show_progress, args=(process, lines, doing, began), daemon=True)
    watch.start()
    ending = threading.Timer(timeout_s, process.kill) if timeout_s else None
    if ending:
        ending.start()
    try:
        with log.open("a", encoding="utf-8") as file:
            file.write(f"$ {' '.join(str(word) for word in command)}\n")
            for line in process.stdout or ():
                file.write(line)
                if re.search(r"\w", line):
                    lines.append(line.rstrip())
        code = process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        if ending:
            ending.cancel()
    output = "\n".join(lines[1:])
    if code:
        raise SetupError(explain(output, doing, log, again))
    return output


def _show_progress(process: subprocess.Popen[str], lines: list[str], doing: str, began: float) -> None:
    while True:
        try:
            process.wait(_EVERY_S)
        except subprocess.TimeoutExpired:
            say(f"  {doing}: {time.monotonic() - began:.0f} s, {_shorten(lines[-1])}")
        else:
            return


def _shorten(line: str) -> str:
    compiled = re.search(r" -c (\S+) -o ", line)
    text = f"compiling {compiled[1]}" if compiled else line.strip()
    return text if len(text) <= 90 else text[:87] + "..."


def explain(output: str, doing: str, log: Path, again: str) -> str:
    """Return one line that says why a program failed and what to do."""
    if re.search(_COMPILER_ERROR, output):  # a network that answered in the end is not the cause
        output = "\n".join(line for line in output.splitlines() if not line.lstrip().startswith("WARNING"))
    for pattern, cause, way_out in _CAUSES:
        match = re.search(f".*({pattern}).*", output)
        if match:
            return f"{doing}: {cause} ({_shorten(match[0])}); {way_out.format(again=again)}; log: {log}"
    return f"{doing}: {first_error(output)}; log: {log}"


def first_error(output: str) -> str:
    """Return the first line in which a compiler, a linker or an installer names an error."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for pattern in (
        r"\berror: (?!subprocess|[Cc]ommand|Failed|Call to|ld returned)",
        r"cannot find -l|undefined reference",
        r"Error\b|ERROR|error",
    ):
        for line in lines:
            if re.search(pattern, line):
                return line
    return lines[-1] if lines else "it ended without a word"
