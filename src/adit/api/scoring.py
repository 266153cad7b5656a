"""Scores of samples: validity, uniqueness, novelty, and what belongs to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adit import config, store
from adit.api.structures import Given, read, stored
from adit.systems import Kind

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of samples.

    Attributes:
        samples: kind → table with one row per sample, including failures and their reasons; columns are metrics.
        rates: one row per rate: protocol, metric, numerator, denominator, value and 95 % interval.
        funnel: one row per kind and step: number of samples left.
    """

    samples: dict[str, pd.DataFrame]
    rates: pd.DataFrame
    funnel: pd.DataFrame


def evaluate(
    samples: Given,
    *,
    reference: Sequence[str | Path] | str | Path = (),
    kind: str | None = None,
    workers: int = 1,
    out: str | Path | None = None,
    **settings: Any,
) -> Scores:
    """Score samples as `adit score` does.

    Args:
        samples: structures, see ``read``.
        reference: files of training data, for novelty; without them it is not measured.
        kind: kind of all samples; ``None``: detected.
        workers: largest number of processes.
        out: a new folder that keeps tables and JSON files; ``None``: they are not kept.
        settings: settings, as in section ``score`` of the configuration.

    Raises:
        ConfigError: a setting is unknown, or ``out`` is a folder of others.
        DataError: there is no sample, or a file is missing or broken.
    """
    from adit.score.standalone import Given as Further
    from adit.score.standalone import score_files

    rows = read(samples, workers=workers)
    paths = [reference] if isinstance(reference, str | Path) else list(reference)
    section = config.parse_as(config.ScoreConfig, settings, "score")
    stage = config.Config().model_copy(update={"score": section}).stage(config.ScoreStage)
    further = Further(None if kind is None else Kind(kind), [Path(path) for path in paths])
    with stored(rows) as (file, scratch):
        folder = scratch if out is None else Path(out)
        score_files(stage, [file], further, folder, workers=workers)
        return _read(folder / "scores")


def _read(folder: Path) -> Scores:
    import pandas as pd

    tables = {path.stem: store.read_frame(path) for path in sorted(folder.glob("*.parquet"))}
    samples = {name: table for name, table in tables.items() if name in set(Kind)}
    rates, funnel = (pd.DataFrame(store.read_json(folder / name)) for name in ("summary.json", "funnel.json"))
    return Scores(samples, rates, funnel)
