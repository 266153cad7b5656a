"""Tables after that of the rates, for the terminal: distances with the control rows, rates by number of samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from adit.columns import CONTROLS, Metric, Population, Protocol
from adit.progress import log
from adit.score.common.measures import Measure
from adit.score.common.separation import MARK, Separation

if TYPE_CHECKING:
    import pandas as pd

_FOLLOWED: Final = (Metric.OVERALL_VALIDITY, Metric.UNIQUENESS, Metric.NOVELTY, Metric.SUN, Metric.MSUN)


def log_measures(measures: Sequence[Measure], verdicts: Sequence[Separation] = ()) -> None:
    """Log the samples' distances and medians, with the control rows beside them."""
    for kind in dict.fromkeys(measure.kind for measure in measures):
        failing = {verdict.metric for verdict in verdicts if verdict.kind == kind and verdict.fails}
        for line in measure_lines([measure for measure in measures if measure.kind == kind], failing):
            log.info("%s", line)


def measure_lines(measures: Sequence[Measure], failing: set[str] | frozenset[str] = frozenset()) -> list[str]:
    """Return the lines of the measures of one kind: unit, value, interval, then the controls.

    Args:
        measures: measures of one kind.
        failing: names of measures that do not separate real systems from noise or random atoms.
    """
    index = {(measure.metric, measure.population): measure for measure in measures}
    mine = [measure for measure in measures if measure.population == Population.SAMPLES]
    if not mine:
        return []
    width = max(len(measure.metric) for measure in mine) + len(MARK)
    heads = "".join(f"{name:>9}" for name in CONTROLS)
    lines = [f"{mine[0].kind:<{width}}  {'unit':<8}  {'value':>8}  {'interval':>19}{heads}"]
    for measure in mine:
        between = "–" if measure.low is None else f"{_number(measure.low)} – {_number(measure.high)}"
        others = (index.get((measure.metric, name)) for name in CONTROLS)
        beside = "".join(f"{_number(other.value if other else None):>9}" for other in others)
        name = measure.metric + (MARK if measure.metric in failing else "")
        lines.append(f"{name:<{width}}  {measure.unit:<8}  {_number(measure.value):>8}  {between:>19}{beside}")
    return lines


def log_sensitivity(followed: pd.DataFrame) -> None:
    """Log the main rates (%) by number of samples: mean and standard deviation over selections.

    Args:
        followed: the table of ``sensitivity``.
    """
    for line in sensitivity_lines(followed):
        log.info("%s", line)


def sensitivity_lines(followed: pd.DataFrame) -> list[str]:
    """Return one line per number of samples, rates in per cent; none if there is only one number.

    Args:
        followed: the table of ``sensitivity``.
    """
    if followed["samples"].nunique() < 2:
        return []
    mine = followed[followed["protocol"].isin(["", str(Protocol.ADIT)]) & followed["metric"].str.endswith(_FOLLOWED)]
    table = mine.groupby(["samples", "metric"], sort=False)["value"].agg(["mean", "std"]).unstack("metric")
    names = [str(name) for name in dict.fromkeys(mine["metric"])]
    lines = [f"{'samples':>8}" + "".join(f"{name:>26}" for name in names)]
    for size, row in table.iterrows():
        cells = (f"{100 * row['mean', name]:.1f} ± {100 * row['std', name]:.1f}" for name in names)
        lines.append(f"{size:>8}" + "".join(f"{cell.replace('± nan', ''):>26}" for cell in cells))
    return lines


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
