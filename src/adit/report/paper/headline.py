"""Headline numbers: each metric by population and protocol, with published numbers of the same name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, Final

from adit.columns import Metric, Protocol, bare_name
from adit.report.figures.drawing import POPULATIONS
from adit.report.words import formats
from adit.report.words.cells import Cell, Table

Record = Mapping[str, Any]

_UNBROKEN: Final = str.maketrans({" ": "\u00a0", "-": "\u2011"})
"""Non-breaking spaces and hyphens."""

_MAIN: Final = (
    Metric.VALIDITY,
    Metric.NEUTRAL_VALIDITY,
    Metric.STRUCTURAL_VALIDITY,
    Metric.COMPOSITIONAL_VALIDITY,
    Metric.OVERALL_VALIDITY,
    Metric.DISTANCE_RATIO_VALIDITY,
    Metric.PDB_VALIDITY,
    Metric.ATOM_STABILITY,
    Metric.MOLECULE_STABILITY,
    Metric.XTB_KEPT,
    Metric.UNIQUENESS,
    Metric.NOVELTY,
    Metric.UNIQUE_AND_NOVEL,
    Metric.RELAXED,
    Metric.METASTABLE,
    Metric.STABLE,
    Metric.MSUN,
    Metric.SUN,
    Metric.DFT_CONVERGED,
    Metric.DFT_CONVERGED_OF_SENT,
    Metric.MOFCHECKER_ALL,
    Metric.POSEBUSTERS_ALL,
    Metric.POSEBUSTERS_SEVEN,
)
"""Metrics of the first table; all others are below it, folded."""

_MAIN_PROTOCOLS: Final = (
    Protocol.ADIT,
    Protocol.STRICT,
    Protocol.EDM,
    Protocol.XTB,
    Protocol.POSEBUSTERS,
    Protocol.MOFCHECKER,
)
"""Protocols of the first table."""


def split(records: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """Return the records of the main metrics and protocols, in their order, and the others."""
    main = [r for r in records if _is_main(r)]
    others = [r for r in records if not _is_main(r)]
    return sorted(main, key=lambda r: _MAIN.index(bare_name(str(r.get("metric"))))), others


def _is_main(record: Record) -> bool:
    return bare_name(str(record.get("metric"))) in _MAIN and record.get("protocol") in _MAIN_PROTOCOLS


def published() -> list[dict[str, str]]:
    """Return the published numbers in the package, as rows of ``published.csv``; values are texts."""
    import csv

    text = resources.files("adit.report.paper").joinpath("published.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def blind(separation: Sequence[Record], kind: str) -> dict[tuple[str, str], str]:
    """Return the metrics that do not separate real systems from noisy or random ones: (protocol, metric) → a sentence.

    Args:
        separation: records of ``separation.json``.
        kind: crystal, molecule or mof.
    """
    reasons = {}
    for record in separation:
        real = f"the {'training' if record.get('real') == 'train' else 'test'} set"
        fakes = {"noise": f"{real} with noise", "random": "random atoms"}
        same = [words for name, words in fakes.items() if record.get(name) is False]
        if record.get("kind") == kind and same:
            verdict = f"{real} does no better than {' or '.join(same)}"
            reasons[str(record.get("protocol")), str(record.get("metric"))] = verdict
    return reasons


def headline(kind: str, records: Sequence[Record], separation: Sequence[Record] = ()) -> Table:
    """Return one row per metric and protocol, one column per population, and the published numbers.

    Args:
        kind: crystal, molecule or mof.
        records: records of ``summary.json`` of this kind.
        separation: records of ``separation.json``; metrics that are not informative are marked.
    """
    separation_texts = blind(separation, kind)
    rows = list(dict.fromkeys((str(r.get("protocol")), str(r.get("metric"))) for r in records))
    names = [*POPULATIONS, *sorted({str(r.get("population")) for r in records} - set(POPULATIONS))]
    shown = [name for name in names if any(r.get("population") == name for r in records)]
    index = {(str(r.get("protocol")), str(r.get("metric")), str(r.get("population"))): r for r in records}
    facts = [fact for fact in published() if fact["kind"] == kind]
    heads = [("metric", "name in the files, and denominator"), ("protocol", "definition of the metric")]
    heads += [(name, "% [interval] and counts") for name in shown]
    heads += [("published, %", "other training data, sizes and energies: for orientation, not a comparison")]
    return Table(heads, [_headline_row(*key, shown, index, facts, separation_texts.get(key, "")) for key in rows])


def measures(records: Sequence[Record], separation: Sequence[Record], kind: str) -> Table | None:
    """Return one row per measure (distances, medians), one column per population; ``None`` without measures.

    Args:
        records: records of ``measures.json``.
        separation: records of ``separation.json``.
        kind: crystal, molecule or mof.
    """
    held = [r for r in records if r.get("kind") == kind]
    names = [name for name in POPULATIONS if any(r.get("population") == name for r in held)]
    separation_texts = blind(separation, kind)
    index = {(str(r.get("metric")), str(r.get("population"))): r for r in held}
    rows = []
    for metric in dict.fromkeys(str(r.get("metric")) for r in held):
        any_of = next(r for r in held if r.get("metric") == metric)
        unit = f", {any_of['unit']}" if any_of.get("unit") else ""
        note = "; ".join(
            text for text in (str(any_of.get("basis") or ""), separation_texts.get(("", metric), "")) if text
        )
        first = Cell(f"{formats.metric(metric)}{unit}", metric, "metric", note)
        rows.append([first, *(_measure(index.get((metric, name)), name) for name in names)])
    heads = [("measure", "smaller is closer to the training data"), *((name, "value [interval]") for name in names)]
    return Table(heads, rows) if rows else None


def _measure(record: Record | None, population: str) -> Cell:
    style = f"num rate {'samples' if population == 'samples' else ''}"
    if record is None or formats.is_missing(record.get("value")):
        return Cell(formats.MISSING, float("inf"), f"{style} missing")
    low, high = formats.number(record.get("low"), 3), formats.number(record.get("high"), 3)
    counts = f"{record.get('count')} of {record.get('asked')}"
    return Cell(formats.number(record["value"], 3), float(record["value"]), style, f"[{low}, {high}]\n{counts}")


def _headline_row(
    protocol: str,
    metric: str,
    populations: Sequence[str],
    index: Mapping[tuple[str, str, str], Record],
    facts: Sequence[Mapping[str, str]],
    verdict: str,
) -> list[Cell]:
    cells = [index.get((protocol, metric, name)) for name in populations]
    basis = next((str(r.get("basis") or "") for r in cells if r), "")
    note = f"{metric}: {basis}" if basis else metric
    return [
        Cell(formats.metric(metric), metric, "metric", f"{note}\n⚠ {verdict}" if verdict else note),
        Cell(protocol),
        *(_rate(r, name) for r, name in zip(cells, populations, strict=True)),
        _facts(protocol, metric, facts),
    ]


def _rate(record: Record | None, population: str) -> Cell:
    style = f"num rate {'samples' if population == 'samples' else ''}"
    if record is None or formats.is_missing(record.get("value")):
        counts = "" if record is None else f"{record.get('numerator', 0)}/{record.get('denominator', 0)}"
        return Cell(formats.MISSING, float("inf"), f"{style} missing", counts)
    low, high = formats.percent(record.get("low")), formats.percent(record.get("high"))
    counts = f"{record.get('numerator')}/{record.get('denominator')}"
    return Cell(formats.percent(record["value"]), float(record["value"]), style, f"[{low}, {high}]\n{counts}")


def _facts(protocol: str, metric: str, facts: Sequence[Mapping[str, str]]) -> Cell:
    name = bare_name(metric)
    same = [f for f in facts if f["metric"] == name and f["protocol"] == protocol]
    lines = [f"{f['model']} {float(f['value']):.1f}".translate(_UNBROKEN) for f in reversed(same)]
    return Cell("", None, "published", " · ".join(lines))


def sources(kind: str) -> list[str]:
    """Return the sources of the published numbers of a kind, one line each."""
    rows = [fact for fact in published() if fact["kind"] == kind]
    groups: dict[str, list[str]] = {}
    for row in rows:
        groups.setdefault(f"{row['source']} ({row['dataset'].upper()})", []).append(row["model"])
    return [f"{source}: {', '.join(dict.fromkeys(models))}" for source, models in groups.items()]
