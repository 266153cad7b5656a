"""Scores of metal-organic frameworks: MOFChecker's checks, for the samples and the control rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from adit.columns import CONTROLS, Col, Population
from adit.config import ScoreStage
from adit.elements import composition, reduced_formula
from adit.errors import ExternalToolError
from adit.isolate import Outcome
from adit.progress import log
from adit.score.common.aggregate import FunnelStep, Rater, RateRecord, funnel, plain_reason
from adit.score.common.control_cache import Controls, cached_controls
from adit.score.common.inputs import Reference, Row
from adit.score.common.scored import NOTHING, Populations, Records, Scored, populations_of, systems_of
from adit.score.tools.answers import MOFCHECKER, Answers
from adit.score.tools.mofchecker import METRICS, PREFIX, MofChecks, check_all, probe
from adit.systems import Failure, Kind

ALL_PASSED = f"{PREFIX}all"
"""Column and metric: whether all checks passed."""

PROTOCOL = "mofchecker"
"""Protocol of the rates."""

REQUESTED = "requested MOFs"
"""Text for the denominator."""

NOT_CHECKED = "not_checked"
"""Status of a MOF that MOFChecker did not check; its checks are unknown (``None``), and no denominator counts it."""


def score_mofs(
    stage: ScoreStage,
    rows: list[Row],
    reference: Reference,
    workers: int,
    cache: Path | None = None,
    answers: Answers | None = None,
) -> Scored:
    """Score MOFs and their control rows; MOFs that were not checked are unknown, and no rate counts them.

    Args:
        stage: slice of the configuration.
        rows: the samples, failures included.
        reference: the reference MOFs.
        workers: largest number of processes.
        cache: folder for the control rows, or ``None``.
        answers: existing answers of MOFChecker; ``None``: none.
    """
    config = stage.score
    try:
        versions = probe(config.mofchecker_python)
    except ExternalToolError as error:
        log.warning("MOFs are not checked: %s", error)
        return _unchecked(rows, str(error), config.confidence)
    few = stage.model_copy(update={"score": config.model_copy(update={"controls": config.mof_controls})})
    others = populations_of(few, [], reference)
    basis = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))

    def controls() -> Controls:
        tables = _tables({name: others[name] for name in CONTROLS}, stage, workers)
        return Controls([record for name in CONTROLS for record in mof_records(tables[name], _rater(name), basis)])

    def _rater(name: Population) -> Rater:
        return Rater(Kind.MOF, name, config.confidence)

    folder = None if cache is None else cache / f"mofchecker-{versions['mofchecker']}"
    kept = cached_controls(stage, reference, Kind.MOF, folder, controls)
    table = _tables({Population.SAMPLES: rows}, stage, workers, answers)[Population.SAMPLES]
    records = mof_records(table, _rater(Population.SAMPLES), basis)
    return Scored(_columns(), table, [*records, *kept.records], mof_funnel(table))


def _columns() -> list[str]:
    return list(_mof_row(NOTHING, None))


def _unchecked(rows: Sequence[Row], reason: str, confidence: float) -> Scored:
    table = [_mof_row(row, Outcome("unstarted", None, reason, 0.0)) for row in rows]
    records = mof_records(table, Rater(Kind.MOF, Population.SAMPLES, confidence), f"not measured: {reason}")
    return Scored(_columns(), table, records, mof_funnel(table))


def _tables(
    populations: Populations, stage: ScoreStage, workers: int, answers: Answers | None = None
) -> dict[Population, Records]:
    config = stage.score
    work = [(name, system) for name, rows in populations.items() for system in systems_of(rows)]
    ask = partial(check_all, python=config.mofchecker_python, workers=workers, wall_limit_s=config.wall_limit_s)
    outcomes = (answers or Answers()).complete(MOFCHECKER, [system for _, system in work], ask)
    results: dict[Population, dict[str, Outcome]] = {name: {} for name in populations}
    for (name, system), outcome in zip(work, outcomes, strict=True):
        results[name][system.system_id] = outcome
    return {name: mof_rows(rows, results[name]) for name, rows in populations.items()}


def mof_rows(rows: Sequence[Row], checks: Mapping[str, Outcome]) -> Records:
    """Return the table of a population, failures included.

    Args:
        rows: systems and failures.
        checks: outcome of ``check_mof`` by id.
    """
    return [_mof_row(row, checks.get(row.system_id)) for row in rows]


def _mof_row(row: Row, outcome: Outcome | None) -> dict[str, Any]:
    record: dict[str, Any] = {Col.SYSTEM_ID: row.system_id, Col.STATUS: "ok", Col.REASON: "", Col.FORMULA: ""}
    record |= {Col.N_ATOMS: 0, Col.N_ELEMENTS: 0, ALL_PASSED: False, **dict.fromkeys(METRICS, False)}
    if isinstance(row, Failure):
        return record | {Col.STATUS: "failed", Col.REASON: f"{row.stage}: {row.reason}"}
    record |= {
        Col.FORMULA: reduced_formula(row.numbers),
        Col.N_ATOMS: len(row),
        Col.N_ELEMENTS: len(composition(row.numbers)),
    }
    if outcome is not None and outcome.status == "unstarted":  # MOFChecker is missing, which is no failure of the MOF
        unknown = dict.fromkeys((ALL_PASSED, *METRICS))
        return record | unknown | {Col.STATUS: NOT_CHECKED, Col.REASON: f"not checked: {outcome.reason}"}
    if outcome is None or outcome.status != "ok":
        return record | {Col.STATUS: "failed", Col.REASON: f"checks: {outcome.reason if outcome else 'not run'}"}
    checks: MofChecks = outcome.value
    lost = [name for name, passed in checks.passed.items() if not passed]
    reasons = [f"{name}: {checks.reasons[name]}" if name in checks.reasons else f"fails {name}" for name in lost]
    return record | checks.passed | {ALL_PASSED: checks.all_passed, Col.REASON: "; ".join(reasons)}


def mof_records(table: Records, rater: Rater, basis: str) -> list[RateRecord]:
    """Return the rates of one population.

    Args:
        table: rows of ``mof_rows``.
        rater: makes the records.
        basis: versions of MOFChecker and its dependencies, for display.
    """
    checked = [row for row in table if row[Col.STATUS] != NOT_CHECKED]
    if len(checked) < len(table):
        left_out = len(table) - len(checked)
        log.warning(
            "%d of %d MOFs (%s) could not be checked and are not counted in any rate",
            left_out,
            len(table),
            rater.population,
        )
        basis = f"{basis}; {left_out} that could not be checked are not counted"
    if _none_checked(table):
        return [rater.ratio(PROTOCOL, name, 0, 0, basis) for name in (ALL_PASSED, *METRICS)]
    return [
        rater.rate(PROTOCOL, name, (row[name] for row in checked), f"{REQUESTED}; {basis}")
        for name in (ALL_PASSED, *METRICS)
    ]


def _none_checked(table: Records) -> bool:
    """Return whether no structure was checked by MOFChecker."""
    decoded = [row[Col.STATUS] for row in table if row[Col.N_ATOMS]]
    return bool(decoded) and all(status == NOT_CHECKED for status in decoded)


def mof_funnel(table: Records) -> list[dict[str, Any]]:
    """Return the funnel of the samples: asked, decoded, checked, all checks passed.

    If none could be checked, it ends with the decoded ones.
    """
    steps = [FunnelStep("decoded", ["" if row[Col.N_ATOMS] else plain_reason(row[Col.REASON]) for row in table])]
    if not _none_checked(table):
        checked = ["" if row[Col.STATUS] == "ok" else plain_reason(row[Col.REASON]) for row in table]
        valid = ["" if row[ALL_PASSED] else plain_reason(row[Col.REASON]) for row in table]
        steps += [FunnelStep("checked", checked), FunnelStep("valid", valid)]
    return funnel("mof", len(table), steps)
