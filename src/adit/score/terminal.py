"""The table at the end of scoring, for display at a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adit.columns import CONTROLS, OF_VALID, Metric, Population, Protocol, step_title
from adit.progress import log
from adit.score.common.aggregate import RateRecord
from adit.score.common.separation import MARK, Separation

NOT_MEASURED = "not measured"
"""Beginning of the basis of a rate that has no value, since there is no reference."""

FUNNEL_AND_SUN = "the funnel needs validity and a hull of every pair of elements, S.U.N. does not: they differ"
"""Note below a funnel whose end is compared with S.U.N."""

Key = tuple[str, str, str]
"""Kind, protocol and metric."""


def log_table(
    records: Sequence[RateRecord], funnels: Sequence[dict[str, Any]], verdicts: Sequence[Separation] = ()
) -> None:
    """Log value, interval and counts of the samples' main metrics, with the control rows beside them.

    Metrics that do not separate real systems from noise or random atoms, by the control rows, are marked.
    """
    failing = {(v.kind, v.protocol, v.metric): v.real for v in verdicts if v.fails}
    for kind in dict.fromkeys(record.kind for record in records):
        mine = [record for record in records if record.kind == kind]
        steps = [step for step in funnels if step["kind"] == kind]
        for line in [*table_lines(mine, failing), *funnel_lines(mine, steps)]:
            log.info("%s", line)


def funnel_lines(records: Sequence[RateRecord], steps: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the funnel of one kind, and why its end is not S.U.N."""
    lines = ["  " + " → ".join(f"{step_title(step['step'])} {step['count']}" for step in steps)]
    rates = [record for record in records if record.population == Population.SAMPLES and record.value is not None]
    if any(step["step"] == "stable" for step in steps) and any(_is_sun(record) for record in rates):
        lines.append(f"  ({FUNNEL_AND_SUN})")
    return lines


def _is_sun(record: RateRecord) -> bool:
    return record.protocol == Protocol.ADIT and record.metric.endswith(Metric.SUN)


def table_lines(records: Sequence[RateRecord], failing: Mapping[Key, str] | None = None) -> list[str]:
    """Return the lines of the table of one kind: rates in per cent, with the interval, then the controls.

    Args:
        records: rates of one kind.
        failing: (kind, protocol, metric) → control row of real systems (``test`` or ``train``), for metrics that do not
            separate these from noise or random atoms.
    """
    failing = failing or {}
    missing = [record for record in records if record.value is None and record.basis.startswith(NOT_MEASURED)]
    index = {(record.protocol, record.metric, record.population): record for record in records}
    mine = [record for record in records if record.population == Population.SAMPLES and _is_headline(record)]
    mine = [record for record in mine if record not in missing]
    if not mine:
        return []
    width = max(len(record.metric) for record in mine) + len(MARK)
    protocol_width = max(len(record.protocol) for record in mine)
    heads = "".join(f"{name:>8}" for name in CONTROLS)
    lines = [f"{mine[0].kind:<{width}}  {'protocol':<{protocol_width}}  {'%':>6}  {'interval':>13}  {'n/N':>13}{heads}"]
    for record in mine:
        others = (index.get((record.protocol, record.metric, name)) for name in CONTROLS)
        beside = "".join(f"{_percent(other.value if other else None):>8}" for other in others)
        between = "–" if record.low is None else f"{_percent(record.low)} – {_percent(record.high)}"
        counts = f"{record.numerator}/{record.denominator}"
        mark = MARK if (record.kind, record.protocol, record.metric) in failing else ""
        lines.append(
            f"{record.metric + mark:<{width}}  {record.protocol:<{protocol_width}}  {_percent(record.value):>6}  "
            f"{between:>13}  {counts:>13}{beside}"
        )
    keys = [(record.kind, record.protocol, record.metric) for record in mine]
    for real in sorted({failing[key] for key in keys if key in failing}):
        words = "training set" if real == Population.TRAIN else "test set"
        lines.append(f"{MARK} does not separate the {words} from the {words} with noise, or from random atoms")
    if missing:
        names = ", ".join(dict.fromkeys(record.metric for record in missing if _is_headline(record)))
        lines.append(f"{missing[0].basis}: {names}")
    return lines


def _is_headline(record: RateRecord) -> bool:
    """Return whether a record is in the table; single PoseBusters checks and other subsets are only in the file."""
    if record.protocol == Protocol.POSEBUSTERS:
        return record.metric.removesuffix(OF_VALID) in (Metric.POSEBUSTERS_ALL, Metric.POSEBUSTERS_SEVEN)
    return record.protocol in (Protocol.ADIT, Protocol.STRICT) or not record.metric.endswith(OF_VALID)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"
