"""Sections of the page about dynamical stability, DFT, training and data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adit.columns import Col
from adit.report.figures import charts as figures
from adit.report.figures.drawing import Drawing
from adit.report.figures.periodic import periodic_table
from adit.report.figures.phonons import phonon_dos
from adit.report.run.inputs import NETWORKS, Run
from adit.report.words import formats, outcome, tables

Record = dict[str, Any]
"""An object of JSON, or the variables of a template."""

Draw = Callable[[Drawing], Record]
"""Saves a drawing and returns its record for the page."""


def stability(run: Run, draw: Draw) -> Record | None:
    """Return the phonons of the best crystals; ``None`` if they were not computed."""
    frame, dos = run.stability, run.phonon_dos
    if frame is None or not {Col.SYSTEM_ID, Col.STATUS} <= set(frame.columns) or frame.empty:
        return None
    drawable = dos is not None and {Col.SYSTEM_ID, Col.FREQUENCY, Col.DENSITY_OF_STATES} <= set(dos.columns)
    tags = [str(tag) for tag in frame.get(Col.ENERGY_TAG, []) if not formats.is_missing(tag)]
    return {
        "table": tables.stability(frame),
        "figure": draw(phonon_dos(frame, dos)) if drawable and dos is not None and len(dos) else None,
        "potential": tags[0] if tags else "",
        "tolerance": run.setting("stability.tolerance"),
    }


def dft(run: Run) -> Record:
    """Return the structures sent to DFT, and the reasons why others were not."""
    selected = run.selected
    records = list(run.dft)
    unsent: dict[str, int] = {}
    if selected is not None and {Col.SYSTEM_ID, Col.SELECTED} <= set(selected.columns):
        ran = {row.get(Col.SYSTEM_ID) for row in records}
        chosen = selected[selected[Col.SELECTED].astype(bool)]
        missing = [name for name in chosen[Col.SYSTEM_ID] if name not in ran]
        records += [{Col.SYSTEM_ID: name, Col.STATUS: "not run", Col.REASON: "no result"} for name in missing]
        if Col.REASON in selected:
            left = selected[~selected[Col.SELECTED].astype(bool)][Col.REASON].replace("", "no reason given")
            unsent = {str(k): int(v) for k, v in left.value_counts().items()}
    return {
        "table": tables.dft(run, records) if records else None,
        "unsent": tables.reasons([{"step": "DFT", "reasons": unsent}]) if unsent else None,
        "method": outcome.method(run),
        "xtb": outcome.uses_xtb(run),
    }


def training(run: Run, name: str, draw: Draw) -> Record | None:
    """Return the training of a network; ``None`` if there was none.

    Args:
        run: the run.
        name: vae or dit.
        draw: saves the figure.
    """
    curves = run.training[name]
    if not curves.config and curves.metrics is None:
        return None
    metrics = curves.metrics
    drawable = metrics is not None and {"step", "loss"} <= set(metrics.columns) and not metrics.empty
    facts: Record = {
        "parameters": _count(curves.config.get("parameters")),
        "steps": _count(curves.config.get("steps")),
        "training time": _minutes(curves.config.get("minutes")),
        "throughput (median)": _throughput(metrics),
        **{f"last {split} loss": value for split, value in _last_losses(metrics).items()},
    }
    return {
        "name": NETWORKS[name],
        "figure": draw(figures.loss_curves(name, metrics)) if drawable else None,
        "facts": [(key, value) for key, value in facts.items() if value],
        "model": curves.config.get("model") or {},
    }


def dataset(stats: Record, draw: Draw) -> Record:
    """Return the card of a dataset.

    Args:
        stats: ``data/<dataset>.stats.json``.
        draw: saves the figures.
    """
    name = str(stats.get("dataset", "unnamed"))
    n = stats.get("n_systems") or {}
    facts = {
        "kind": stats.get("kind"),
        "systems": ", ".join(f"{formats.count(n[split])} {split}" for split in ("train", "val", "test") if split in n),
        "rows read": formats.count(stats["n_rows"]) if "n_rows" in stats else None,
        "rows dropped": formats.count(stats.get("n_failed", 0)),
        "spacegroups (train)": str(len(stats["spacegroups"])) if stats.get("spacegroups") else None,
        "source": stats.get("source"),
        "licence": stats.get("licence"),
        "files": "; ".join(f"{name}: {how}" for name, how in (stats.get("verified") or {}).items()),
    }
    sizes, held = stats.get("size_histogram") or {}, stats.get("elements") or {}
    return {
        "name": name,
        "facts": tables.pairs({key: value for key, value in facts.items() if value}),
        "citation": stats.get("citation") or "",
        "sizes": draw(figures.size_histogram(name, sizes)) if sizes else None,
        "elements": draw(periodic_table(name, held)) if held else None,
        "dropped": tables.reasons([{"step": "training", "reasons": stats["failures"]}])
        if stats.get("failures")
        else None,
    }


def _count(value: Any) -> str | None:
    return formats.count(value) if isinstance(value, int | float) else None


def _minutes(value: Any) -> str | None:
    return formats.seconds(60.0 * value) if isinstance(value, int | float) else None


def _throughput(metrics: Any) -> str | None:
    if metrics is None or "atoms_per_s" not in metrics:
        return None
    values = metrics["atoms_per_s"].dropna()
    return f"{formats.count(float(values.median()))} atoms/s" if len(values) else None


def _last_losses(metrics: Any) -> dict[str, str]:
    if metrics is None or not {"split", "loss"} <= set(metrics.columns):
        return {}
    last = metrics.dropna(subset=["loss"]).groupby("split")["loss"].last()
    return {str(split): formats.number(float(value), 4) for split, value in last.items()}
