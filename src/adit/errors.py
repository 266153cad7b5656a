"""Errors a user can act on: one line that says what, where and the way out; the exit code tells the kind."""

from __future__ import annotations

import errno


class AditError(Exception):
    """Base of every error that is shown to the user as one line, without a traceback."""

    exit_code = 1


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
