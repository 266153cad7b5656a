"""Work on many items in worker processes, each with limits of time and memory; a crash affects one item only."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pickle
import resource
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Literal

from adit.errors import one_line
from adit.progress import log

_PR_SET_PDEATHSIG = 1

OWN_MODULES: Mapping[str, str] = {"PYTHONSAFEPATH": "1"}
"""Environment of a Python that imports no module from its working folder, where a user's ``struct.py`` may lie."""


@dataclass(frozen=True)
class Outcome:
    """Outcome of one item.

    Attributes:
        status: ``ok``, ``error`` (the function raised), ``timeout`` (killed at the wall limit), ``crashed``, or
            ``unstarted``: the worker failed in ``warm_up``, before the item was tried.
        value: return value of the function if the status is ``ok``.
        reason: one line of text if it is not.
        wall_s: wall time of the item, s.
    """

    status: Literal["ok", "error", "timeout", "crashed", "unstarted"]
    value: Any
    reason: str
    wall_s: float


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent process ends (Linux; elsewhere nothing happens)."""
    try:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError):
        log.debug("no prctl on this system")


_FULL = "full"
"""Status of an item that needed more memory than its worker may use: the item fails and the worker ends."""

_READY = -1
"""Index of the message that a worker sends after ``warm_up``."""


MEMORY: ContextVar[int | None] = ContextVar("MEMORY", default=None)
"""Largest memory of a worker if ``memory_bytes`` is not given, bytes; ``None``: no limit. See ``worker_memory``."""


@contextmanager
def worker_memory(size: int | None) -> Iterator[None]:
    """Within the block, a worker uses at most ``size`` bytes of memory (``limits.worker_bytes``); ``None``: any."""
    token = MEMORY.set(size)
    try:
        yield
    finally:
        MEMORY.reset(token)


_Key = tuple[tuple[tuple[str, str], ...], int | None]
"""Environment and limit of memory, which workers must have in common to replace each other."""

_KEPT: ContextVar[dict[_Key, list[_Worker]] | None] = ContextVar("_KEPT", default=None)


@contextmanager
def kept_workers() -> Iterator[None]:
    """Within the block, idle workers are kept from one ``map_isolated`` to the next; they end with the block.

    A worker's libraries are then imported once. Workers with a ``warm_up`` are never kept.
    """
    if _KEPT.get() is not None:  # the outer block keeps them
        yield
        return
    kept: dict[_Key, list[_Worker]] = {}
    token = _KEPT.set(kept)
    try:
        yield
    finally:
        _KEPT.reset(token)
        for worker in (worker for workers in kept.values() for worker in workers):
            worker.kill()


def _serve(
    connection: Connection,
    warm_up: Callable[[], object] | None,
    memory_bytes: int | None,
) -> None:
    """Worker: warm up, then process items until the pipe closes or an item exceeds the memory."""
    die_with_parent()
    if memory_bytes is not None:
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        least = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (least, hard))
    os.setsid()
    # A scheduler that stops a job signals all its processes. Only the parent reacts: a worker that died first would
    # look like a crash of its item. Programs that the worker starts receive the signal as usual.
    signal.signal(signal.SIGTERM, lambda *_: None)
    if warm_up is not None:
        warm_up()
    connection.send((_READY, "ok", None, ""))
    while True:
        try:
            index, function, item = connection.recv()
        except EOFError:
            return
        try:
            if isinstance(item, _Unsendable):
                raise ValueError(
                    f"cannot be sent to a worker ({item.reason}): it is nested too deeply or not plain data"
                )
            answer = (index, "ok", function(item), "")
        except MemoryError:
            limit = "there is" if memory_bytes is None else f"{memory_bytes:,} bytes (limits.worker_bytes)"
            connection.send((index, _FULL, None, f"needs more memory than {limit}"))
            return
        except Exception as error:  # noqa: BLE001 - whatever a library raises becomes the item's row
            last = one_line(str(error), 300)
            log.debug(traceback.format_exc())
            answer = (index, "error", None, f"{type(error).__name__}: {last}" if last else type(error).__name__)
        connection.send(answer)


@dataclass(frozen=True)
class _Unsendable:
    """Placeholder of an item that cannot be pickled, e.g. one that is nested too deeply."""

    reason: str


class _Worker:
    def __init__(
        self,
        environment: Mapping[str, str],
        warm_up: Callable[[], object] | None,
        startup_s: float,
        memory_bytes: int | None,
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, warm_up, memory_bytes), daemon=False)
        with _environment({**environment, **OWN_MODULES}):
            self.process.start()
        theirs.close()
        self.index: int | None = None
        self.started = time.monotonic()
        self.ready = False
        self.full = False
        self._item: Any = None
        self._function: Callable[[Any], Any] | None = None
        self._startup_s = startup_s
        self._allowance = 0.0 if warm_up is not None else startup_s

    def give(self, index: int, function: Callable[[Any], Any], item: Any) -> None:
        """Send an item and its function, as soon as the worker is ready."""
        self.index, self._function, self._item = index, function, item
        if self.ready:
            self._send()

    def mark_ready(self) -> None:
        """Record that the worker has finished ``warm_up``, and send the waiting item; its time starts now."""
        self.ready = True
        self._send()

    def _send(self) -> None:
        self.started = time.monotonic()
        try:
            self.connection.send((self.index, self._function, self._item))
        except (RecursionError, ValueError, TypeError, AttributeError, pickle.PicklingError) as error:
            self.connection.send((self.index, None, _Unsendable(type(error).__name__)))
        self._item = None

    def overdue(self, wall: float, wall_limit_s: float) -> bool:
        """Return whether the item, or the start of the worker, takes longer than allowed.

        Args:
            wall: time since it started, s.
            wall_limit_s: largest time of an item, s.
        """
        return wall > (wall_limit_s + self._allowance if self.ready else self._startup_s)

    def take_over(self, startup_s: float) -> None:
        """Begin with another function, whose libraries are not loaded yet."""
        self._allowance = startup_s

    @property
    def reusable(self) -> bool:
        """Return whether the worker waits for another item."""
        return self.index is None and self.ready and self.process.is_alive()

    def mark_loaded(self) -> None:
        """Record that the libraries are loaded: later items get no extra time."""
        self._allowance = 0.0

    def kill(self) -> None:
        """Kill the worker and everything that it started, also if the worker itself has ended already."""
        if self.process.pid is not None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                self.process.kill()
        self.process.join(timeout=10)
        self.connection.close()


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


SINGLE_THREAD: Mapping[str, str] = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)
"""Environment of a process whose numerical libraries use one thread."""


def map_isolated(
    function: Callable[[Any], Any],
    items: Sequence[Any],
    *,
    workers: int,
    wall_limit_s: float,
    startup_s: float | None = None,
    on_result: Callable[[int, Outcome], None] | None = None,
    on_tick: Callable[[], None] | None = None,
    environment: Mapping[str, str] = SINGLE_THREAD,
    warm_up: Callable[[], object] | None = None,
    memory_bytes: int | None = None,
) -> list[Outcome]:
    """Apply ``function`` to every item in single-threaded worker processes and return the outcomes in order.

    Workers are used for many items, so that a model is loaded once; one that crashes or exceeds the limit is killed
    with everything that it started, and replaced.

    Args:
        function: importable function of one picklable item; returns something picklable.
        items: the items.
        workers: largest number of processes.
        wall_limit_s: largest wall time of one item, s.
        startup_s: with ``warm_up``: its largest wall time, s (``None``: 600); without it: time added to the limit of a
            worker's first item for imports and loading, s (``None``: 120).
        on_result: called in this process with (index, outcome) as soon as an item is done.
        on_tick: called in this process while it waits, twice a second and after each answer.
        environment: name → value of variables that are set for the workers.
        warm_up: importable function that a worker calls once, before its first item and outside that item's limit.
        memory_bytes: largest memory of one worker, bytes; an item that needs more has the status ``error``. ``None``:
            that of ``worker_memory``.

    Returns:
        One outcome per item, in order. An exception of the function is an outcome, too.
    """
    memory = MEMORY.get() if memory_bytes is None else memory_bytes
    allowance = startup_s if startup_s is not None else (120.0 if warm_up is None else 600.0)
    outcomes: dict[int, Outcome] = {}
    todo = list(range(len(items)))[::-1]
    key: _Key = (tuple(sorted(environment.items())), memory)
    kept = _KEPT.get() if warm_up is None else None
    pool = [] if kept is None else _taken(kept, key, allowance)

    def finish(worker: _Worker, outcome: Outcome) -> None:
        index = worker.index
        worker.index = None
        if index is not None:
            outcomes[index] = outcome
            if on_result is not None:
                on_result(index, outcome)

    try:
        while todo or any(w.index is not None for w in pool):
            while todo and len([w for w in pool if w.index is not None]) < max(1, workers):
                idle = next((w for w in pool if w.index is None), None)
                if idle is None:
                    idle = _Worker(environment, warm_up, allowance, memory)
                    pool.append(idle)
                index = todo.pop()
                idle.give(index, function, items[index])
            busy = [w for w in pool if w.index is not None]
            answering = wait([w.connection for w in busy], timeout=0.5)
            if on_tick is not None:
                on_tick()
            now = time.monotonic()
            for worker in busy:
                wall = now - worker.started
                if worker.connection in answering:
                    outcome = _receive(worker, wall)
                    if outcome is None:
                        continue
                    finish(worker, outcome)
                    worker.mark_loaded()
                    if outcome.status in ("crashed", "unstarted") or worker.full:
                        worker.kill()
                        pool.remove(worker)
                elif worker.overdue(wall, wall_limit_s):
                    worker.kill()
                    pool.remove(worker)
                    finish(worker, _overdue(worker, wall, wall_limit_s))
    finally:
        for worker in pool:
            if kept is not None and worker.reusable:
                kept.setdefault(key, []).append(worker)
            else:
                worker.kill()
    return [outcomes[i] for i in range(len(items))]


def _taken(kept: dict[_Key, list[_Worker]], key: _Key, startup_s: float) -> list[_Worker]:
    """Return the kept workers of a key that are alive; they are no longer kept."""
    workers = kept.pop(key, [])
    for worker in workers:
        if worker.reusable:
            worker.take_over(startup_s)
        else:
            worker.kill()
    return [worker for worker in workers if worker.reusable]


def _overdue(worker: _Worker, wall: float, wall_limit_s: float) -> Outcome:
    if not worker.ready:
        return Outcome("unstarted", None, f"worker process not ready after {wall:.0f} s", wall)
    return Outcome("timeout", None, f"killed at the wall limit of {wall_limit_s:g} s", wall)


def _receive(worker: _Worker, wall: float) -> Outcome | None:
    """Return the outcome of the worker's item; ``None`` if the worker only reported that it is ready."""
    try:
        index, status, value, reason = worker.connection.recv()
    except (EOFError, OSError):
        worker.process.join(timeout=5)
        message = f"worker process died (exit code {worker.process.exitcode})"
        return Outcome("crashed" if worker.ready else "unstarted", None, message, wall)
    if index == _READY:
        worker.mark_ready()
        return None
    if status == _FULL:
        worker.full, status = True, "error"
    return Outcome(status, value, reason, wall)
