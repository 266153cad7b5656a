"""HTTP sessions whose answers come in time: limits of sockets hold for each byte, these for headers and blocks."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import requests


class Deadline:
    """Ends a connection when no complete header or block comes for too long; a context manager.

    Args:
        connection: connection of a session of this module, or of a response.
        seconds: longest time until ``seen`` is called, s.

    Raises:
        TimeoutError: at the end of the block, if it was too long.
    """

    def __init__(self, connection: Any, seconds: float) -> None:
        self._late = False
        self._socket: socket.socket | None = getattr(connection, "sock", None)
        self._seconds, self._due = seconds, time.monotonic() + seconds
        self._done = threading.Event()

    def __enter__(self) -> Deadline:
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._done.set()
        if self._late:
            raise TimeoutError(f"nothing complete within {self._seconds:g} s") from error

    def seen(self) -> None:
        """Record that data came: the time starts again."""
        self._due = time.monotonic() + self._seconds

    def _run(self) -> None:
        while not self._done.wait(min(1.0, self._seconds / 4)):
            if time.monotonic() > self._due:
                self._late = True
                with contextlib.suppress(OSError):
                    if self._socket is not None:
                        self._socket.shutdown(socket.SHUT_RDWR)
                return


def new_session() -> requests.Session:
    """Return a session that ends a request whose headers are not complete within the read timeout."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.connection import HTTPConnection, HTTPSConnection

    def in_time(connection: Any, answer: Any) -> Any:
        seconds = connection.timeout
        if not isinstance(seconds, int | float):
            return answer()
        with Deadline(connection, float(seconds)):
            return answer()

    class Plain(HTTPConnection):
        def getresponse(self) -> Any:
            return in_time(self, super().getresponse)

    class Encrypted(HTTPSConnection):
        def getresponse(self) -> Any:
            return in_time(self, super().getresponse)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(HTTPSConnectionPool):
        ConnectionCls = Encrypted

    pools = {"http": PlainPool, "https": EncryptedPool}

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **options: Any) -> None:
            super().init_poolmanager(*args, **options)
            self.poolmanager.pool_classes_by_scheme = pools

        def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
            manager = super().proxy_manager_for(*args, **options)
            manager.pool_classes_by_scheme = pools
            return manager

    session = requests.Session()
    session.mount("http://", Adapter())
    session.mount("https://", Adapter())
    return session
