"""Downloads: streamed, resumed by HTTP Range, retried with back-off; a file appears only once it is verified."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from adit.data.sources.checksums import BLOCK, WAY_OUT, Upstream, check_download
from adit.data.sources.locks import alone
from adit.data.sources.retries import TRANSIENT, Patience, TransientError, innermost, requested_wait
from adit.data.sources.sessions import Deadline, new_session
from adit.errors import DataError, from_os_error
from adit.limits import LIMITS
from adit.progress import Progress, log

if TYPE_CHECKING:
    import requests

TIMEOUT_S = 60.0
"""Longest time of an attempt without an answer or a byte, s."""

MISSING = frozenset({403, 404, 410})
"""HTTP status codes for a missing file."""


class _TooLargeError(DataError):
    pass


class _MissingError(Exception):
    pass


def fetch(upstream: Upstream, path: Path, patience: Patience | None = None) -> Path:
    """Return ``path``, after downloading the file if it is missing; size and checksum are verified.

    Raises:
        DataError: the server cannot be reached, or size or checksum differ.
    """
    if path.is_file():
        check_download(path, upstream)
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
    size: int | None = None,
) -> bool:
    """Stream a URL to ``path``; the file appears there only when it is complete and its checksum is correct.

    A partial download is in ``<path>.partial`` and is resumed, also by another process after a kill, if the
    server still has the same file (``ETag`` or ``Last-Modified``). Two processes never write the same file.

    Args:
        url: address (``http``, ``https`` or ``file``).
        path: the file to write.
        upstream: published size and checksum to verify; ``None``: only the announced length is verified.
        missing_ok: whether to return ``False`` if the server has no such file.
        patience: attempts and waiting times; ``None``: the defaults.
        size: expected size in bytes, if not in ``upstream``; ``None``: at most ``limits.download_bytes``.

    Returns:
        Whether the file is there.

    Raises:
        DataError: the server cannot be reached, has no such file (without ``missing_ok``), breaks off repeatedly, sends
            too slowly or too much, or size or checksum differ, or the file cannot be written; the message names the
            partial file.
    """
    patience = patience or Patience()
    size = size if upstream is None or upstream.size is None else upstream.size
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with alone(path):
            if path.is_file():  # another process has written it
                return True
            return _download(url, path, upstream, missing_ok, patience, size)
    except OSError as error:
        message = from_os_error(error, f"writing {path}")
        raise DataError(f"{message}{_Partial(path).remainder}") from error


def _download(
    url: str, path: Path, upstream: Upstream | None, missing_ok: bool, patience: Patience, size: int | None
) -> bool:
    partial = _Partial(path)
    try:
        if url.startswith("file://"):
            if not _copy_local(url, partial.path, missing_ok):
                return False
        elif not _transfer_all(url, partial, missing_ok, patience, size):
            return False
    except _TooLargeError:
        partial.forget()  # its content is not that of the file
        raise
    except DataError as error:
        raise DataError(f"{error}{partial.remainder}") from None
    except KeyboardInterrupt:
        if partial.remainder:
            log.warning("%s: interrupted%s", url, partial.remainder)
        raise
    try:
        if upstream is not None:
            check_download(partial.path, upstream, url)
    except DataError:
        partial.forget()  # a download of other content cannot be continued
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
    """Downloaded part of a file, and the version it belongs to."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(path.name + ".partial")
        self._note = path.with_name(path.name + ".partial.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def remainder(self) -> str:
        """Text about the partial file on disk, for the end of a message."""
        return f"; {self.size:,} bytes are in {self.path}: run again to continue, or delete it" if self.size else ""

    @property
    def validator(self) -> str | None:
        """``ETag`` or date of the version of the bytes."""
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


def _transfer_all(url: str, partial: _Partial, missing_ok: bool, patience: Patience, size: int | None) -> bool:
    """Transfer until the file is complete; resume interrupted attempts.

    An attempt below the slowest allowed rate is a failure, like one without data.
    """
    failures = 0
    with new_session() as session:
        session.headers.update({"User-Agent": "adit-pipeline", "Accept-Encoding": "identity"})
        while True:
            before, started = partial.size, time.monotonic()
            try:
                _transfer(session, url, partial, patience, size)
            except _MissingError as error:
                if missing_ok:
                    partial.forget()
                    return False
                raise DataError(f"{url}: the server answers {error}; {WAY_OUT}") from None
            except TransientError as error:
                worth = LIMITS.get().download_bytes_per_s * (time.monotonic() - started + patience.first_s)
                failures = 1 if partial.size - before >= worth else failures + 1
                if failures >= patience.attempts:
                    raise DataError(f"{url}: {error} ({failures} attempts); run again later, or {WAY_OUT}") from None
                log.info("%s: %s; trying again", url, error)
                patience.wait(failures, error.retry_after_s)
            else:
                return True


def _transfer(session: requests.Session, url: str, partial: _Partial, patience: Patience, size: int | None) -> None:
    """Do one attempt.

    Raises:
        TransientError: another attempt may help.
        _MissingError: the server says that there is no such file.
        DataError: no attempt will help.
    """
    import requests
    import urllib3

    have, validator = partial.size, partial.validator
    headers = {}
    if have and validator is not None:
        headers = {"Range": f"bytes={have}-", "If-Range": validator}
    try:
        with session.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
            _judge(response, partial)
            total = _total(response)
            _check_size(url, total or 0, size)
            resumed = response.status_code == 206
            if not resumed:
                partial.begin(_validator(response))
                have = 0
            log.info("%s %s", "continuing with" if resumed else "downloading", url)
            _stream(response, partial.path, url, have, total, patience, size)
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
        raise DataError(f"{url}: is not an address ({error}); {WAY_OUT}") from None
    except requests.exceptions.ConnectionError as error:
        raise TransientError(f"cannot be reached ({innermost(error)})") from None
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, requests.RequestException):
            raise
        raise TransientError(f"broke off ({innermost(error)})") from None
    if total is not None and partial.size != total:
        raise TransientError(f"broke off after {partial.size} of {total} bytes")


def _judge(response: requests.Response, partial: _Partial) -> None:
    """Return for a usable answer; raise the meaning of the others."""
    status = response.status_code
    answer = f"{status} {response.reason}"
    if status == 416:  # the partial file is larger than the server's: another file
        partial.forget()
        raise TransientError(f"the server answers {answer}")
    if status in MISSING:
        raise _MissingError(answer)
    if status in TRANSIENT:
        raise TransientError(f"the server answers {answer}", requested_wait(response))
    if status not in (200, 206):
        raise DataError(f"{response.url}: the server answers {answer}; {WAY_OUT}")
    if status == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {partial.size}-"):
        partial.forget()
        raise TransientError("the server sent another range than requested")


def _validator(response: requests.Response) -> str | None:
    etag = response.headers.get("ETag")
    if etag is not None and not etag.startswith("W/"):
        return etag
    return response.headers.get("Last-Modified")


def _total(response: requests.Response) -> int | None:
    """Return the length of the complete file, if announced."""
    if response.status_code == 206:
        whole = response.headers.get("Content-Range", "").rpartition("/")[2]
        return _digits(whole)
    return _digits(response.headers.get("Content-Length", ""))


def _digits(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _check_size(url: str, count: int, size: int | None) -> None:
    """Check an announced or received number of bytes against the expected size and the limit."""
    if size is not None and count > size:
        raise _TooLargeError(f"{url}: has {count} bytes, expected {size}; nothing of it is kept; {WAY_OUT}")
    if size is None and count > (most := LIMITS.get().download_bytes):
        way_out = "raise limits.download_bytes, or "
        raise _TooLargeError(f"{url}: sends more than {most:,} bytes; nothing of it is kept; {way_out}{WAY_OUT}")


def _stream(
    response: requests.Response,
    path: Path,
    url: str,
    have: int,
    total: int | None,
    patience: Patience,
    size: int | None,
) -> None:
    progress = Progress(f"MB of {url.rpartition('/')[2]}", max(1, (total or 0) >> 20), have >> 20)
    least, since, at_first = LIMITS.get().download_bytes_per_s, time.monotonic(), have
    with path.open("ab") as file, Deadline(response.raw.connection, patience.window_s) as watch:
        while block := response.raw.read1(BLOCK):  # return any available bytes; the rate is checked here
            watch.seen()
            before = have >> 20
            file.write(block)
            have += len(block)
            _check_size(url, have, size)
            elapsed = time.monotonic() - since
            if elapsed > patience.window_s:
                if have - at_first < least * elapsed:
                    raise TransientError(f"sends {(have - at_first) / elapsed:.0f} bytes/s, less than {least:g}")
                since, at_first = time.monotonic(), have
            if total is not None and (have >> 20) > before:
                progress.update((have >> 20) - before)
