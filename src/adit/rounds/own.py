"""``rounds.score_command``: a user's program adds columns to the scores of the samples."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from adit import store
from adit.columns import Col
from adit.config.sample import filled
from adit.errors import DataError, ExternalToolError
from adit.program import arguments, run_program
from adit.systems import AtomicSystem, Kind

if TYPE_CHECKING:
    import pandas as pd

WHO: Final = "rounds.score_command"
"""Key of the configuration, for messages."""


@dataclass(frozen=True)
class ScoreCommand:
    """A program that scores samples.

    Attributes:
        command: the program and its arguments, with placeholders (``SCORE_PLACEHOLDERS``).
        wall_limit_s: limit on its wall time, s.
    """

    command: str
    wall_limit_s: float

    def columns(self, table: pd.DataFrame, systems: Sequence[AtomicSystem], kind: Kind) -> pd.DataFrame:
        """Run the program on samples and return its columns, one row per sample, in the order of the table.

        Args:
            table: scores of the samples; ``system_id`` is unique.
            systems: their structures, with the same ids.
            kind: kind of the samples.

        Raises:
            ExternalToolError: the program does not start, fails, exceeds its wall limit, or writes nothing.
            DataError: its table is not readable, has no ``system_id``, lacks samples, has others or one twice, or a
                column of the scores.
        """
        with tempfile.TemporaryDirectory(prefix="adit-") as name:
            folder = Path(name)
            files = {"table": "scores.csv", "structures": "structures.extxyz", "output": "own.csv"}
            places = {placeholder: folder / file for placeholder, file in files.items()}
            store.write_frame(places["table"], table)
            store.write_extxyz(places["structures"], systems)
            words = filled(
                arguments(self.command), {"kind": str(kind), **{key: str(path) for key, path in places.items()}}
            )
            ended = run_program(words, WHO, self.wall_limit_s)
            if not places["output"].is_file():
                raise ExternalToolError(f"{WHO}: wrote no {{output}}{ended.said}")
            try:
                answer = store.read_frame(places["output"])
            except DataError as error:
                raise DataError(f"{WHO}: {str(error).replace(str(places['output']), '{output}')}") from error
        return _joined(answer, table)


def _joined(answer: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of the program by the ids of the table.

    Raises:
        DataError: the ids are not those of the table, each once, or a column is one of the scores.
    """
    if Col.SYSTEM_ID not in answer.columns:
        raise DataError(f"{WHO}: {{output}} has no column system_id")
    answer = answer.set_index(answer[Col.SYSTEM_ID].astype(str)).drop(columns=Col.SYSTEM_ID)
    if taken := sorted({str(name) for name in answer.columns} & set(map(str, table.columns))):
        raise DataError(f"{WHO}: {{output}} has {taken[0]}, which is a column of the scores; give it another name")
    ids = table[Col.SYSTEM_ID].astype(str).tolist()
    problems = {
        "has {} twice": sorted(set(answer.index[answer.index.duplicated()])),
        "has {}, which it was not given": sorted(set(answer.index) - set(ids)),
        "lacks {}": sorted(set(ids) - set(answer.index)),
    }
    for text, names in problems.items():
        if names:
            raise DataError(f"{WHO}: {{output}} {text.format(names[0])} ({len(names)} such of {len(ids)} samples)")
    return answer.loc[ids]
