"""A client of one server: few queries per second, limits on time and bytes, no other host."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urljoin, urlsplit, urlunsplit

from adit.data.sources.retries import TRANSIENT, Patience, TransientError, innermost, requested_wait
from adit.data.sources.sessions import Deadline, new_session
from adit.errors import DataError, one_line
from adit.progress import log, quantity

REDIRECTS: Final = 5
"""Redirects in a row that are followed."""

BLOCK: Final = 1 << 16
"""Bytes of an answer that are read at a time."""

AGENT: Final = "adit-pipeline"
"""Name that the client gives to the server (User-Agent)."""


class AnswerError(DataError):
    """An answer of a server cannot be used, or there is none."""


class UnreachableError(AnswerError):
    """The server cannot be reached at all."""


@dataclass(frozen=True)
class Manners:
    """Limits on the queries of a server.

    Attributes:
        rate: largest number of queries per second, 1/s.
        timeout_s: longest time of one answer, s.
        answer_bytes: largest size of one answer, bytes.
        patience: number of attempts, and waiting times between them.
        clock: monotonic time, s; replaced in tests.
        section: section of the configuration with these limits, for messages.
    """

    rate: float = 2.0
    timeout_s: float = 60.0
    answer_bytes: int = 10_000_000
    patience: Patience = field(default_factory=lambda: Patience(attempts=4, longest_s=30.0))
    clock: Callable[[], float] = time.monotonic
    section: str = "lookup"


class Client:
    """Asks one server for JSON.

    Args:
        base: base address of the server; redirects and links to other hosts are not followed.
        manners: limits on the queries.
    """

    def __init__(self, base: str, manners: Manners) -> None:
        self.base, self._manners = base, manners
        self._session = new_session()
        self._session.headers.update({"User-Agent": AGENT, "Accept": "application/json", "Accept-Encoding": "identity"})
        self._next_time = -math.inf

    @property
    def host(self) -> str:
        """Return host and port of the server."""
        return urlsplit(self.base).netloc

    def get(self, address: str) -> tuple[int, Any]:
        """Return the status and the JSON of an answer; numbers that are not finite are ``None``.

        Raises:
            UnreachableError: there is no connection, even after several attempts.
            AnswerError: no attempt gives an answer, or the answer is too long, not JSON, or a redirect to another host.
        """
        failures, patience = 0, self._manners.patience
        while True:
            try:
                return self._attempt(address)
            except TransientError as error:
                failures += 1
                if failures >= patience.attempts:
                    kind = UnreachableError if isinstance(error, _NoConnectionError) else AnswerError
                    raise kind(f"{self.host}: {error} ({quantity(failures, 'attempt')})") from None
                log.debug("%s: %s; asking again", self.host, one_line(str(error)))
                patience.wait(failures, error.retry_after_s)

    def on_host(self, address: str, link: str) -> str:
        """Return the address of a link in an answer.

        Args:
            address: the query that was answered; relative links start from it.
            link: the link.

        Raises:
            AnswerError: the link is no address, or leads to another host, port or protocol.
        """
        try:
            parts, base = urlsplit(urljoin(address, link)), urlsplit(self.base)
            port = parts.port
        except ValueError:
            raise AnswerError(f"{self.host}: links to '{one_line(link, 80)}', which is no address") from None
        if parts.hostname != base.hostname or parts.username is not None:
            raise AnswerError(f"{self.host}: links to another host ({one_line(parts.netloc, 80)}); it is not asked")
        if (base.scheme, base.port, parts.scheme, port) == ("https", None, "http", None):
            parts = parts._replace(scheme="https")  # of a server behind one that adds the encryption
        if (parts.scheme, parts.netloc) != (base.scheme, base.netloc):
            raise AnswerError(f"{self.host}: links to another port or protocol ({one_line(parts.netloc, 80)})")
        return urlunsplit(parts)

    def _attempt(self, address: str) -> tuple[int, Any]:
        import requests
        import urllib3

        try:
            for _ in range(REDIRECTS + 1):
                self._wait()
                with self._session.get(
                    address, stream=True, allow_redirects=False, timeout=self._manners.timeout_s
                ) as response:
                    if not response.is_redirect:
                        return self._read(response)
                    address = self.on_host(address, response.headers["location"])
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
            raise AnswerError(f"{self.host}: is not an address ({error})") from None
        except (requests.exceptions.ConnectionError, requests.exceptions.ConnectTimeout) as error:
            raise _NoConnectionError(f"cannot be reached ({innermost(error)})") from None
        except TimeoutError:
            raise TransientError(
                f"takes more than {self._manners.timeout_s:g} s for an answer ({self._manners.section}.timeout_s)"
            ) from None
        except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError):
            raise TransientError(
                f"sent nothing for {self._manners.timeout_s:g} s ({self._manners.section}.timeout_s)"
            ) from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise TransientError(f"broke off ({innermost(error)})") from None
        raise AnswerError(f"{self.host}: more than {REDIRECTS} redirects in a row")

    def _wait(self) -> None:
        """Wait until the next query is due."""
        now = self._manners.clock()
        if self._next_time > now:
            self._manners.patience.sleep(self._next_time - now)
        self._next_time = max(now, self._next_time) + 1.0 / self._manners.rate

    def _read(self, response: Any) -> tuple[int, Any]:
        """Return status and content of an answer.

        Raises:
            TransientError: another attempt may help.
            AnswerError: no attempt will help.
        """
        status = int(response.status_code)
        if status in TRANSIENT:
            raise TransientError(f"the server answers {status} {response.reason}", requested_wait(response))
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise AnswerError(f"{self.host}: sends compressed data ({one_line(encoding, 40)}), which was not asked for")
        text = self._text(response)
        try:
            value = json.loads(text, parse_constant=lambda _: None, parse_float=_finite)
            json.dumps(value, ensure_ascii=False).encode()  # texts that are no text
        except (ValueError, RecursionError) as error:
            what = "a web page" if text.lstrip()[:1] == "<" else "no JSON"
            detail = "" if what == "a web page" else f": {one_line(str(error), 80)}"
            raise AnswerError(f"{self.host}: the server answers {status} with {what}{detail}") from None
        return status, value

    def _text(self, response: Any) -> str:
        manners, started = self._manners, time.monotonic()
        blocks: list[bytes] = []
        size = 0
        with Deadline(response.raw.connection, manners.timeout_s):
            while block := response.raw.read1(BLOCK):  # any available bytes: the time is checked here
                size += len(block)
                if size > manners.answer_bytes:
                    raise AnswerError(
                        f"{self.host}: sends more than {manners.answer_bytes:,} bytes "
                        f"({manners.section}.answer_bytes); not used"
                    )
                if time.monotonic() - started > manners.timeout_s:
                    raise TimeoutError
                blocks.append(block)
        announced = response.headers.get("Content-Length", "")
        if announced.isascii() and announced.isdigit() and int(announced[:20]) != size:
            raise TransientError(f"broke off after {size} of {announced[:20]} bytes")
        return b"".join(blocks).decode("utf-8", errors="replace")


class _NoConnectionError(TransientError):
    pass


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None
