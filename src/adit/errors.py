"""Errors that a user can fix: one line with the problem, its place and the solution; an exit code for each kind."""

from __future__ import annotations

import errno
import os
import stat
import unicodedata
from pathlib import Path

LINE = 900
"""Largest number of characters of a message; the middle of a longer one is left out."""


def printable(text: str) -> str:
    """Return ``text`` with control characters, and bytes that are not text, written as escapes."""
    return "".join(
        _escaped(character) if unicodedata.category(character) in _UNSEEN else character for character in text
    )


def as_text(name: str) -> str:
    """Return the name of a file as text that can be stored: bytes that are not UTF-8 are escapes."""
    return name.encode("utf-8", "backslashreplace").decode()


_UNSEEN = frozenset({"Cc", "Cs", "Cf", "Co", "Cn", "Zl", "Zp"})


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def one_line(text: str, most: int = LINE) -> str:
    """Return ``text`` as one printable line of about ``most`` characters at most, without its middle if longer."""
    return _cut(printable(" ".join(_cut(text, 10 * most).split())), most)


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    end = most // 3
    left_out = f" … {len(text) - most} characters … "
    return text[: most - end] + left_out + text[-end:]


class AditError(Exception):
    """Base of every error that is shown to the user as one line, without a traceback."""

    exit_code = 1

    def __init__(self, message: object = "") -> None:
        super().__init__(one_line(str(message)))


class ConfigError(AditError):
    """The configuration is wrong: unknown key, value out of range, unreadable file."""

    exit_code = 2


class DataError(AditError):
    """Input data or a stored file is missing, broken, of another shape, or cannot be written."""

    exit_code = 3


class ExternalToolError(AditError):
    """A program or engine outside this package is missing or does not work."""

    exit_code = 4


def from_os_error(error: OSError, doing: str) -> DataError:
    """Return an operating-system error as one line that says what to do.

    Args:
        error: the error as raised by the operating system.
        doing: the action that failed, e.g. ``"writing results/demo/vae/model.safetensors"``.
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DataError(f"{doing}: no space left on the device; free some space and run the same command again")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return DataError(f"{doing}: no permission ({error.strerror}); choose a writable folder")
    return DataError(f"{doing}: {error.strerror or error}")


_KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISDIR, "a folder"),
)


def why_no_file(path: Path, wanted: str = "file") -> str:
    """Return why a path is not a readable plain file, as the end of a message.

    Args:
        path: the path.
        wanted: name of the expected file, for the message.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "is a link that leads back to itself; name the file"
        if path.is_symlink():
            return f"is a link to {os.readlink(path)}, which does not exist"
        if error.errno in (errno.EACCES, errno.EPERM):
            return f"no permission ({error.strerror})"
        return f"no such {wanted}"
    kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "no plain file")
    return f"is {kind}, not a plain file; write its content to a file and name that"
