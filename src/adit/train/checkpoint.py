"""Resume states: written in a background thread; the last ones are kept, a broken one is skipped."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from adit.outputs.scratch import Scratch
from adit.progress import log
from adit.store import read_torch, write_tensors, write_torch

KEEP = 2
"""Number of resume states kept on disk: if the newest is broken, the one before it is used."""


class Checkpoints:
    """The resume states of one training.

    Args:
        folder: folder of the states; not an output of the workflow, so that a failed job keeps them.
        key: hash of configuration and data; states of another key are not used. File names begin with the step and end
            with the key, so that trainings do not load each other's states.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder, self.key = folder, key
        self._scratch = Scratch(folder, "train")
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def load(self) -> dict[str, Any] | None:
        """Return the newest complete state of this training; ``None`` if there is none.

        Raises:
            ConfigError: there are states in the folder that no training wrote (they are in no manifest).
            DataError: the folder cannot be written to.
        """
        own = self._own()
        self._scratch.promise(path.name for path in own)
        for path in own:
            state = read_torch(path)
            if state is None:
                log.warning("%s: incomplete or damaged; the previous state is used", path.name)
            elif state["key"] == self.key:
                return state
        if others := self._others():
            log.warning("%s: %d states of other settings or data are not used", self.folder, len(others))
        return None

    def path(self, name: str) -> Path:
        """Return the path of another file of the training in its folder.

        Raises:
            ConfigError: it exists, and no training wrote it (it is in no manifest).
        """
        self._scratch.promise([name])
        return self.folder / name

    def _own(self) -> list[Path]:
        """Return the states of this training, the newest first."""
        return sorted(self.folder.glob(f"resume-*-{self.key[:8]}.pt"), key=_step, reverse=True)

    def _others(self) -> list[Path]:
        return sorted(set(self.folder.glob("resume-*.pt")) - set(self._own()))

    def save(self, step: int, state: Mapping[str, Any], *, wait: bool = False) -> None:
        """Write a state in the background; ``state`` is copied before this returns.

        Args:
            step: number of steps done; part of the file's name.
            state: tensors, numbers, text, and containers of them.
            wait: whether to return only after the file is written.

        Raises:
            DataError: this write, with ``wait``, or the one before it failed, e.g. for lack of space.
        """
        self.wait()
        copied = _copy({**state, "key": self.key})
        self._thread = threading.Thread(target=self._write, args=(step, copied), daemon=False)
        self._thread.start()
        if wait:
            self.wait()

    def wait(self) -> None:
        """Wait for the end of a running write.

        Raises:
            DataError: it failed, e.g. for lack of space.
            ConfigError: the file exists, and no training wrote it.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def save_best(self, weights: Mapping[str, Tensor], loss: float) -> None:
        """Write the weights with the lowest validation loss so far to ``best.safetensors``.

        Raises:
            DataError: the file cannot be written.
            ConfigError: it exists, and no training wrote it.
        """
        write_tensors(self.path("best.safetensors"), weights, {"validation_loss": repr(loss)})

    def _write(self, step: int, state: Mapping[str, Any]) -> None:
        try:
            name = f"resume-{step}-{self.key[:8]}.pt"
            write_torch(self.path(name), state)
            own = self._own()
            self._scratch.remove(old.name for old in [*own[KEEP:], *(self._others() if len(own) >= KEEP else ())])
        except BaseException as error:  # noqa: BLE001 - raised later in the thread of the training
            self._error = error


def _step(path: Path) -> int:
    number = path.stem.split("-")[1]
    return int(number) if number.isdigit() else -1


def _copy(value: Any) -> Any:
    """Return a copy on the CPU, independent of the training."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_copy(item) for item in value)
    return value
