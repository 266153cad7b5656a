"""When a server is asked again, and after which time: shared by downloads and by queries of databases."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from adit.limits import LIMITS

if TYPE_CHECKING:
    import requests

TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP status codes after which another attempt may succeed."""


@dataclass(frozen=True)
class Patience:
    """Number of attempts and waiting times.

    Attributes:
        attempts: number of failures in a row, without enough progress, before giving up.
        first_s: wait after the first failure, s; doubled after each failure, with random variation.
        longest_s: longest wait, unless the server asks for another, s.
        window_s: time over which the rate of a transfer is measured, s.
        sleep: function that waits; replaced in tests.
    """

    attempts: int = 6
    first_s: float = 1.0
    longest_s: float = 60.0
    window_s: float = 60.0
    sleep: Callable[[float], None] = time.sleep

    def wait(self, failures: int, retry_after_s: float | None) -> None:
        """Wait after the ``failures``-th failure in a row.

        Args:
            failures: number of failures in a row, from 1.
            retry_after_s: time that the server asks to wait, s (at most ``limits.retry_after_s`` is waited); ``None``:
                the wait grows with the failures.
        """
        backoff = self.first_s * 2.0 ** (failures - 1) * random.uniform(0.75, 1.25)
        self.sleep(
            min(self.longest_s, backoff) if retry_after_s is None else min(LIMITS.get().retry_after_s, retry_after_s)
        )


class TransientError(Exception):
    """An attempt failed, and another one may succeed.

    Attributes:
        retry_after_s: time that the server asks to wait, s; ``None`` if it does not.
    """

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


def requested_wait(response: requests.Response) -> float | None:
    """Return the time that the server asks to wait, s, given as a number or as a date; ``None`` if it does not."""
    value = response.headers.get("Retry-After", "")
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
        return max(0.0, (until - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def innermost(error: BaseException) -> str:
    """Return the innermost reason of a chain of wrapped errors, as one line of at most 160 characters."""
    while isinstance(error.args[0] if error.args else None, BaseException):
        error = error.args[0]
    reason = getattr(error, "reason", None)
    text = re.sub(r"^HTTPS?Connection(Pool)?\([^)]*\): ", "", str(reason if reason is not None else error))
    return " ".join(text.rpartition("> ")[2].split())[:160] or type(error).__name__
