"""A local HTTP server with faults: it breaks off, lies about lengths, ignores ranges, asks for patience."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What the server serves, and how badly.

    Attributes:
        files: path → content.
        etags: path → ETag; none by default.
        drop_after: path → how many bytes each answer holds before the connection breaks, answer by answer.
        statuses: path → statuses to answer before the file is served; ``(429, "2")`` adds Retry-After.
        no_ranges: ignore Range.
        lengths: path → announced length, right or wrong.
        endless: paths that are sent again and again without a length.
        slow: path → seconds between bytes.
        slow_headers: path → seconds between the bytes of an endless header.
        slow_chunks: path → seconds between the bytes of an endless length of a chunk.
        redirects: path → path.
        requests: paths and Range headers requested.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    drop_after: dict[str, list[int]] = field(default_factory=dict)
    statuses: dict[str, list[int | tuple[int, str]]] = field(default_factory=dict)
    no_ranges: bool = False
    lengths: dict[str, int] = field(default_factory=dict)
    endless: set[str] = field(default_factory=set)
    slow: dict[str, float] = field(default_factory=dict)
    slow_headers: dict[str, float] = field(default_factory=dict)
    slow_chunks: dict[str, float] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


class QuietHandler(BaseHTTPRequestHandler):
    """Answers requests with ``answer``, without a line for each."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        """Answer a request."""
        raise NotImplementedError

    def write_slowly(self, body: bytes, seconds: float) -> None:
        """Write one byte at a time, with a pause after each, until the client hangs up; then close."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            for byte in body:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(seconds)


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(QuietHandler):
        def answer(self) -> None:
            path = self.path.lstrip("/")
            byte_range = self.headers.get("Range")
            site.requests.append((path, byte_range))
            if site.statuses.get(path):
                self._refuse(site.statuses[path].pop(0))
            elif path in site.slow_headers:
                self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                self.write_slowly(b"X: " + b"x" * 9999, site.slow_headers[path])
            elif path in site.slow_chunks:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                self.write_slowly(b"1;" + b"x" * 9999, site.slow_chunks[path])
            elif path in site.redirects:
                self.send_response(302)
                self.send_header("Location", f"/{site.redirects[path]}")
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif path not in site.files:
                self._refuse(404)
            else:
                self._serve(path, byte_range)

        def _refuse(self, status: int | tuple[int, str]) -> None:
            code, after = status if isinstance(status, tuple) else (status, None)
            self.send_response(code)
            if after is not None:
                self.send_header("Retry-After", after)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _serve_without_end(self, body: bytes) -> None:
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(body)

        def _serve(self, path: str, byte_range: str | None) -> None:
            body, etag = site.files[path], site.etags.get(path)
            start = 0
            if byte_range and not site.no_ranges and self.headers.get("If-Range") == etag:
                start = int(byte_range.removeprefix("bytes=").rstrip("-"))
            if start > len(body):
                self._refuse(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            if etag:
                self.send_header("ETag", etag)
            if path in site.endless:
                self._serve_without_end(body)
                return
            self.send_header("Content-Length", str(site.lengths.get(path, len(body) - start)))
            self.end_headers()
            limits = site.drop_after.get(path)
            if limits:
                self.wfile.write(body[start : start + limits.pop(0)])
                self.close_connection = True
                self.connection.close()
                return
            if path in site.slow:
                self.write_slowly(body[start:], site.slow[path])
                return
            self.wfile.write(body[start:])
            if path in site.lengths:
                self.close_connection = True

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that hang up."""


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve on a free local port; yield the address."""
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    """Serve a site on a free local port."""
    with listening(_handler(site)) as site.url:
        yield site
