"""Results of the slow tools, written by one job per shard and read by the scores.

An answer belongs to the content of a system, not to its id, and to the versions of the libraries; with other versions
it is computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from adit import store
from adit.columns import Col
from adit.isolate import Outcome
from adit.progress import log
from adit.score.common.content import content_key
from adit.score.common.control_cache import library_versions
from adit.score.tools.mofchecker import MofChecks
from adit.systems import AtomicSystem

POSEBUSTERS: Final = "posebusters"
"""Key of PoseBusters' answers."""

MOFCHECKER: Final = "mofchecker"
"""Key of MOFChecker's answers."""


class Answers:
    """Answers by tool and system.

    Args:
        answers: tool → key of a system → answer.
    """

    def __init__(self, answers: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.stored = answers or {}

    @classmethod
    def read(cls, paths: Sequence[Path]) -> Answers:
        """Read the files of shards; files of other library versions are skipped.

        Raises:
            DataError: a file is missing or is not JSON.
        """
        versions, old = library_versions(), 0
        stored: dict[str, dict[str, Any]] = {}
        for path in paths:
            table = store.read_json(path)
            if table["libraries"] != versions:
                old += 1
                continue
            for tool, answers in table["answers"].items():
                if tool not in _DECODE:
                    continue  # of an earlier version
                stored.setdefault(tool, {}).update({key: _DECODE[tool](answer) for key, answer in answers.items()})
        if old:
            log.warning("%d of %d files of checks have other library versions and are computed again", old, len(paths))
        return cls(stored)

    def complete(
        self, tool: str, systems: Sequence[AtomicSystem], ask: Callable[[list[AtomicSystem]], Sequence[Any]]
    ) -> list[Any]:
        """Return a tool's answer for each system, in order; ``ask`` computes the missing ones."""
        stored = self.stored.get(tool, {})
        keys = [content_key(system) for system in systems]
        fresh = iter(ask([system for system, key in zip(systems, keys, strict=True) if key not in stored]))
        return [stored[key] if key in stored else next(fresh) for key in keys]


def write_answers(path: Path, answers: Mapping[str, Sequence[tuple[AtomicSystem, Any]]]) -> None:
    """Write the answers of tools for the systems of a shard; a system without an answer is left out."""
    table = {
        tool: {
            content_key(system): _encode(answer)
            for system, answer in pairs
            if not (isinstance(answer, Outcome) and answer.status == "unstarted")
        }
        for tool, pairs in answers.items()
    }
    store.write_json(path, {"libraries": library_versions(), "answers": table})


def _encode(answer: Any) -> Any:
    return asdict(answer) if isinstance(answer, Outcome) else answer


def _outcome(answer: dict[str, Any]) -> Outcome:
    value = None if answer["value"] is None else MofChecks(**answer["value"])
    return Outcome(answer[Col.STATUS], value, answer[Col.REASON], answer[Col.WALL_S])


_DECODE: Final[Mapping[str, Callable[[Any], Any]]] = {
    POSEBUSTERS: lambda answer: answer,
    MOFCHECKER: _outcome,
}
