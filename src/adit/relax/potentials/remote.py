"""A potential in another interpreter, with packages of its own."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adit.errors import ExternalToolError
from adit.isolate import die_with_parent
from adit.relax.potentials.evaluators import Evaluator, Results

if TYPE_CHECKING:
    from ase import Atoms

SERVER = Path(__file__).parent / "interpreter" / "server.py"
"""Program that runs in the other interpreter."""


class Remote(Evaluator):
    """Client of ``interpreter/server.py``, which runs as long as this object exists.

    Args:
        python: the Python interpreter, a path or a name in ``PATH``.
        name: name of the potential in ``interpreter.loaders.LOADERS``.
        weights: file of weights, or empty.
        device: name of the device in PyTorch.

    Raises:
        ExternalToolError: the interpreter does not start, or the potential does not load there.
    """

    def __init__(self, python: str, name: str, weights: str, device: str) -> None:
        self._who = f"{name} in {python}"
        self._command = [python, str(SERVER), name, weights, device]
        self._start()

    def _start(self) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the process
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
                preexec_fn=die_with_parent,
            )
        except OSError as error:
            raise ExternalToolError(
                f"{self._who}: does not start ({error.strerror}); name a Python that has it"
            ) from error
        first = self._read()
        if "error" in first:
            raise ExternalToolError(f"{self._who}: does not load ({first['error']})")

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()

    def evaluate(self, structures: Sequence[Atoms]) -> list[Results | Exception]:
        """Return energy, forces and stress of each structure, see ``Results``, or its error.

        If the process ends, the current structure gets an error, and the next one a new process.
        """
        answers: list[Results | Exception] = []
        for atoms in structures:
            try:
                if self._process.poll() is not None:
                    self.close()
                    self._start()
                answers.append(self._ask(atoms))
            except ExternalToolError as error:
                answers.append(error)
        return answers

    def _ask(self, atoms: Atoms) -> Results | Exception:
        request = {
            "numbers": atoms.numbers.tolist(),
            "positions": atoms.positions.tolist(),
            "cell": np.asarray(atoms.cell).tolist(),
        }
        try:
            self._process.stdin.write(json.dumps(request) + "\n")  # type: ignore[union-attr]
            self._process.stdin.flush()  # type: ignore[union-attr]
        except OSError as error:
            raise self._ended() from error
        reply = self._read()
        if "error" in reply:
            return RuntimeError(reply["error"])
        return {name: np.array(value) if isinstance(value, list) else value for name, value in reply.items()}

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            raise self._ended()
        record: dict[str, Any] = json.loads(line)
        return record

    def _ended(self) -> ExternalToolError:
        self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().strip().splitlines()
        why = said[-1][:300] if said else f"exit code {self._process.returncode}"
        return ExternalToolError(f"{self._who}: ended ({why})")
