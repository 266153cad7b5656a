"""Errors that a user can fix: one line with the problem, its place and the solution; an exit code for each kind."""

from __future__ import annotations

import errno
import unicodedata

LINE = 900
"""Characters of a message; of a longer one the middle is left out."""


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
    """Return ``text`` as one printable line of at most ``most`` characters, the middle left out where it is longer."""
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
    """Turn an operating-system error into one line with the way out.

    Args:
        error: the error as raised by the operating system.
        doing: what was being done, e.g. ``"writing results/demo/vae/model.safetensors"``.
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DataError(f"{doing}: no space left on the device; free some space and run the same command again")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return DataError(f"{doing}: no permission ({error.strerror}); choose a writable folder")
    return DataError(f"{doing}: {error.strerror or error}")
