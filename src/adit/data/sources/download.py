"""Downloads: streamed, resumed by HTTP Range, retried with back-off; a file appears only when its checksum holds."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from adit.data.sources.checksums import BLOCK, WAY_OUT, Upstream, check
from adit.data.sources.locks import alone
from adit.errors import DataError, from_os_error
from adit.progress import Progress, log

if TYPE_CHECKING:
    import requests

TIMEOUT_S = 60.0
"""Seconds without an answer or a byte before an attempt counts as failed."""

TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that another attempt may mend."""

MISSING = frozenset({403, 404, 410})
"""Answers that say that there is no such file."""


@dataclass(frozen=True)
class Patience:
    """How often and how long to try.

    Attributes:
        attempts: failures in a row, without a byte of progress, before giving up.
        first_s: wait after the first failure; doubled after each, with jitter.
        longest_s: no wait is longer.
        sleep: waits; replaced in tests.
    """

    attempts: int = 6
    first_s: float = 1.0
    longest_s: float = 60.0
    sleep: Callable[[float], None] = time.sleep

    def wait(self, failures: int, asked_s: float | None) -> None:
        """Wait after the ``failures``-th failure in a row: as long as the server asks, else by back-off."""
        backoff = self.first_s * 2.0 ** (failures - 1) * random.uniform(0.75, 1.25)
        self.sleep(min(self.longest_s, backoff if asked_s is None else asked_s))


class _TransientError(Exception):
    def __init__(self, reason: str, asked_s: float | None = None) -> None:
        super().__init__(reason)
        self.asked_s = asked_s


class _MissingError(Exception):
    pass


def fetch(upstream: Upstream, path: Path, patience: Patience | None = None) -> Path:
    """Return ``path``, downloaded if it is not there; its size and checksum hold.

    Raises:
        DataError: it cannot be reached, or size or checksum differ.
    """
    if path.is_file():
        check(path, upstream)
    else:
        download(upstream.url, path, upstream, patience=patience)
    return path


def download(
    url: str,
    path: Path,
    upstream: Upstream | None = None,
    *,
    missing_ok: bool = False,
    patience: Patience | None = None,
) -> bool:
    """Stream a URL to ``path``; the file appears there only when it is whole and its checksum holds.

    What has come so far lies in ``<path>.partial`` and is gone on with, also by another process after a kill, if the
    server still has the same file (``ETag`` or ``Last-Modified``). Two processes never write the same file.

    Args:
        url: what to fetch (``http``, ``https`` or ``file``).
        path: where to put it.
        upstream: what to compare it with before it is put into place; ``None``: its announced length only.
        missing_ok: return ``False`` where the server says that there is no such file.
        patience: how often to try.

    Raises:
        DataError: the server cannot be reached, keeps breaking off, or size or checksum differ.
    """
    patience = patience or Patience()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with alone(path):
            if path.is_file():  # another process was faster
                return True
            return _download(url, path, upstream, missing_ok, patience)
    except OSError as error:
        raise from_os_error(error, f"writing {path}") from error


def _download(url: str, path: Path, upstream: Upstream | None, missing_ok: bool, patience: Patience) -> bool:
    partial = _Partial(path)
    if url.startswith("file://"):
        if not _copy_local(url, partial.path, missing_ok):
            return False
    elif not _transfer_all(url, partial, missing_ok, patience):
        return False
    try:
        if upstream is not None:
            check(partial.path, upstream, url)
    except DataError:
        partial.forget()  # wrong bytes are not worth going on with
        raise
    partial.path.replace(path)
    partial.forget()
    return True


def _copy_local(url: str, path: Path, missing_ok: bool) -> bool:
    import shutil
    from urllib.parse import unquote, urlparse

    source = Path(unquote(urlparse(url).path))
    if not source.is_file():
        if missing_ok:
            return False
        raise DataError(f"{url}: no such file; {WAY_OUT}")
    shutil.copyfile(source, path)
    return True


class _Partial:
    """What has come so far of a file, and of which version of it."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(path.name + ".partial")
        self._note = path.with_name(path.name + ".partial.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def validator(self) -> str | None:
        """The ``ETag`` or date of the version that the bytes belong to."""
        try:
            value = json.loads(self._note.read_text(encoding="utf-8"))["validator"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return value if isinstance(value, str) else None

    def begin(self, validator: str | None) -> None:
        self.path.unlink(missing_ok=True)
        if validator is None:
            self._note.unlink(missing_ok=True)
        else:
            self._note.write_text(json.dumps({"validator": validator}), encoding="utf-8")

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)


def _transfer_all(url: str, partial: _Partial, missing_ok: bool, patience: Patience) -> bool:
    """Transfer until the file is whole; go on where an attempt broke off."""
    import requests

    failures = 0
    with requests.Session() as session:
        session.headers.update({"User-Agent": "adit-pipeline", "Accept-Encoding": "identity"})
        while True:
            before = partial.size
            try:
                _transfer(session, url, partial)
            except _MissingError as error:
                if missing_ok:
                    partial.forget()
                    return False
                raise DataError(f"{url}: the server answers {error}; {WAY_OUT}") from None
            except _TransientError as error:
                failures = failures + 1 if partial.size <= before else 1
                if failures >= patience.attempts:
                    raise DataError(f"{url}: {error} ({failures} attempts); run again to go on, or {WAY_OUT}") from None
                log.info("%s: %s; trying again", url, error)
                patience.wait(failures, error.asked_s)
            else:
                return True


def _transfer(session: requests.Session, url: str, partial: _Partial) -> None:
    """Do one attempt.

    Raises:
        _TransientError: another attempt may help.
        _MissingError: the server says that there is no such file.
        DataError: no attempt will help.
    """
    import requests

    have, validator = partial.size, partial.validator
    headers = {}
    if have and validator is not None:
        headers = {"Range": f"bytes={have}-", "If-Range": validator}
    try:
        with session.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
            _judge(response, partial)
            total = _total(response)
            resumed = response.status_code == 206
            if not resumed:
                partial.begin(_validator(response))
                have = 0
            log.info("%s %s", "going on with" if resumed else "downloading", url)
            _stream(response, partial.path, url, have, total)
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
        raise DataError(f"{url}: is no address ({error}); {WAY_OUT}") from None
    except requests.exceptions.ConnectionError as error:
        raise _TransientError(f"cannot be reached ({_root(error)})") from None
    except (requests.exceptions.RequestException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, requests.RequestException):
            raise
        raise _TransientError(f"broke off ({_root(error)})") from None
    if total is not None and partial.size != total:
        raise _TransientError(f"broke off after {partial.size} of {total} bytes")


def _judge(response: requests.Response, partial: _Partial) -> None:
    """Let a usable answer pass; say what the others mean."""
    status = response.status_code
    told = f"{status} {response.reason}"
    if status == 416:  # more is here than the server has: another file
        partial.forget()
        raise _TransientError(f"the server answers {told}")
    if status in MISSING:
        raise _MissingError(told)
    if status in TRANSIENT:
        raise _TransientError(f"the server answers {told}", _retry_after(response))
    if status not in (200, 206):
        raise DataError(f"{response.url}: the server answers {told}; {WAY_OUT}")
    if status == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {partial.size}-"):
        partial.forget()
        raise _TransientError("the server sent another range than asked for")


def _retry_after(response: requests.Response) -> float | None:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdigit() else None


def _validator(response: requests.Response) -> str | None:
    etag = response.headers.get("ETag")
    if etag is not None and not etag.startswith("W/"):
        return etag
    return response.headers.get("Last-Modified")


def _total(response: requests.Response) -> int | None:
    """Return the length of the whole file, where announced."""
    if response.status_code == 206:
        whole = response.headers.get("Content-Range", "").rpartition("/")[2]
        return int(whole) if whole.isdigit() else None
    announced = response.headers.get("Content-Length", "")
    return int(announced) if announced.isdigit() else None


def _stream(response: requests.Response, path: Path, url: str, have: int, total: int | None) -> None:
    progress = Progress(f"MB of {url.rpartition('/')[2]}", max(1, (total or 0) >> 20), have >> 20)
    with path.open("ab") as file:
        for block in response.iter_content(BLOCK):
            before = have >> 20
            file.write(block)
            have += len(block)
            if total is not None and (have >> 20) > before:
                progress.update((have >> 20) - before)


def _root(error: BaseException) -> str:
    """Return the innermost reason of a chain of wrapped errors, on one line."""
    while isinstance(error.args[0] if error.args else None, BaseException):
        error = error.args[0]
    reason = getattr(error, "reason", None)
    text = str(reason if reason is not None else error)
    return " ".join(text.rpartition("> ")[2].split())[:160] or type(error).__name__
