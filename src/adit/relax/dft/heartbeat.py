"""Logs the progress of the running DFT relaxations every few seconds: step, energy, fmax, time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from adit.progress import duration, log
from adit.relax.dft.restart import RUN, STARTED


class Heartbeat:
    """Context manager with a thread that logs one line per running structure.

    Args:
        folders: folder of each structure; its name is shown.
        is_done: returns whether the structure of a folder is finished.
        interval: time between lines, s.
    """

    def __init__(self, folders: Sequence[Path], is_done: Callable[[Path], bool], interval: float = 10.0) -> None:
        self._folders, self._is_done, self._interval = folders, is_done, interval
        self._began = time.time()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._stop.wait(self._interval):
            for folder in self._folders:
                line = None if self._is_done(folder) else status_line(folder, self._began)
                if line is not None:
                    log.info("%s", line)


def status_line(folder: Path, since: float = 0.0) -> str | None:
    """Return the progress of a run as text, or ``None`` if it has not started since ``since``.

    Args:
        folder: folder of the structure.
        since: Unix time, s.
    """
    run = folder / RUN
    try:
        started = (run / STARTED).stat().st_mtime
    except OSError:
        return None
    if started < since:
        return None
    return f"{folder.name}: {_state(run)}, {duration(time.time() - started)}"


def _state(run: Path) -> str:
    jobs = sorted(run.glob("job_*"))
    if jobs:
        ionic = [line for line in _lines(jobs[-1] / "OSZICAR") if "F=" in line]
        energy = f", energy {ionic[-1].partition('E0=')[2].split()[0]} eV" if ionic and "E0=" in ionic[-1] else ""
        return f"job {len(jobs)} of the flow, step {len(ionic)}{energy}"
    steps = [words for words in map(str.split, _lines(run / "relax.log")) if len(words) >= 5 and words[0] == "BFGS:"]
    if steps:
        _, step, _, energy, fmax = steps[-1][:5]
        return f"step {step}, energy {energy} eV, fmax {fmax} eV/Å"
    scf = [line for path in run.glob("gpaw*.txt") for line in _lines(path) if line.lstrip("|").startswith("iter:")]
    return f"first geometry, SCF step {len(scf)}" if scf else "starting"


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
