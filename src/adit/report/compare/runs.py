"""Comparison of runs: differences of their configurations, their numbers with intervals, and figures.

Reads:  everything of the runs; their configurations from report/manifest.json
Writes: index.html, metrics.csv, settings.csv, figures/, assets/
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from adit import store
from adit.columns import Col
from adit.errors import DataError
from adit.outputs.replace import replaced_folder
from adit.progress import log
from adit.report.compare import figures as compare_figures
from adit.report.figures.drawing import Drawing, save_drawing
from adit.report.page import assets
from adit.report.page.build import READ, environment
from adit.report.run.inputs import Run, load_run
from adit.report.run.manifest import cost, energies
from adit.report.words import formats, outcome

Record = dict[str, Any]
"""An object of JSON, or the variables of a template."""

NAMES: Final = (
    *("index.html", "metrics.csv", "settings.csv"),
    *(f"assets/{name}" for name in ("page.js", *assets.VIEWER)),
)
"""Files of every comparison."""

MISSING_CONFIG: Final = "has no report/manifest.json: its configuration is not known"
"""Notice about a run without a report; it follows the run's name."""


@dataclass(frozen=True)
class Named:
    """A run of the comparison.

    Attributes:
        name: name in the comparison.
        run: files of the run.
    """

    name: str
    run: Run


Section = Callable[[Sequence[Named], Path, Callable[[Drawing], Record]], Record]
"""Returns the variables of a section from the runs, the folder to write to, and the function that saves a drawing."""


def compare_runs(folders: Sequence[Path], out: Path, section: Section | None = None, more: Sequence[str] = ()) -> None:
    """Write the comparison of runs into ``out``.

    Args:
        folders: folders of runs, at least two; the others are compared with the first.
        out: the folder to write to.
        section: returns the variables of a section of its own, from the runs, the folder and the function that draws.
        more: files that the section writes.

    Raises:
        DataError: there are fewer than two runs, a run is given twice, or a run does not exist.
        ConfigError: a file to write belongs to a run, or was not written by this verb.
    """
    if len(folders) < 2:
        raise DataError("adit compare: name at least two runs, e.g. adit compare results/a results/b")
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise DataError("adit compare: the same run is given twice; give different runs")
    runs = [
        Named(name, load_run(folder, json.dumps(_config(folder))))
        for name, folder in zip(_names(folders), folders, strict=True)
    ]
    inputs = [folder / name for folder in folders for name in (*READ, "report")]
    with replaced_folder(out, "compare", inputs=inputs, names=(*NAMES, *more)) as new:
        _write(runs, new, section)
    log.info("%s against %s: %s", " and ".join(one.name for one in runs[1:]), runs[0].name, out / "index.html")


def _write(runs: Sequence[Named], out: Path, section: Section | None) -> None:
    """Write the page, its tables and its figures."""
    import pandas as pd

    numbers = metrics(runs)
    changed = settings(runs)
    store.write_frame(out / "metrics.csv", pd.DataFrame(long_metrics(runs)))
    store.write_frame(out / "settings.csv", pd.DataFrame(changed, columns=["setting", *(one.name for one in runs)]))
    drawings = compare_figures.drawings([(one.name, one.run) for one in runs])
    pictures = [(_draw(drawing, out), caption) for drawing, caption in drawings]
    assets.write(out / "assets")
    page = (
        environment()
        .get_template("compare.html")
        .render(
            names=[one.name for one in runs],
            outcomes=[(one.name, outcome.trained_on(one.run), outcome.sentence(one.run)) for one in runs],
            notices=notices(runs),
            metrics=numbers,
            settings=changed,
            pictures=pictures,
            costs=costs(runs),
            rounds=None if section is None else section(runs, out, partial(_draw, out=out)),
        )
    )
    store.write_text(out / "index.html", page)


def _draw(drawing: Drawing, out: Path) -> Record:
    return {"svg": save_drawing(drawing, out / "figures"), "name": drawing.name}


def _config(folder: Path) -> Record:
    path = folder / "report/manifest.json"
    values = store.read_json(path) if path.is_file() else {}
    config = values.get("config") if isinstance(values, dict) else None
    return config if isinstance(config, dict) else {}


def _names(folders: Sequence[Path]) -> list[str]:
    """Return the name of each folder; the whole path if names are equal."""
    names = [folder.resolve().name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def settings(runs: Sequence[Named]) -> list[list[str]]:
    """Return the settings that differ between runs: the key, then a text for each run."""
    flat = [dict(_flat(one.run.config)) for one in runs]
    keys = sorted({key for values in flat for key in values})
    rows = [[key, *(_text(values.get(key)) for values in flat)] for key in keys]
    return [row for row in rows if len(set(row[1:])) > 1 and row[0] != "name"]


def _flat(value: Any, prefix: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        return [pair for key, inner in value.items() for pair in _flat(inner, f"{prefix}{key}.")]
    return [(prefix.removesuffix("."), value)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def metrics(runs: Sequence[Named]) -> list[Record]:
    """Return one record per number of the samples: its name, and for each run value, interval, counts and mark.

    The mark is ``higher`` or ``lower`` if the interval does not overlap with that of the first run.
    """
    rates = [{_key(r): r for r in one.run.summary if r.get("population") == "samples"} for one in runs]
    rows = []
    for key in dict.fromkeys(key for one in rates for key in one):
        first = rates[0].get(key)
        kind, protocol, metric = key
        cells = [_cell(one.get(key), first) for one in rates]
        basis = next((str(one[key].get("basis") or "") for one in rates if key in one), "")
        rows.append(
            {"kind": kind, "protocol": protocol, "metric": formats.metric(metric), "basis": basis, "cells": cells}
        )
    return rows


def _key(record: Mapping[str, Any]) -> tuple[str, str, str]:
    return str(record.get("kind")), str(record.get("protocol")), str(record.get("metric"))


def _cell(record: Mapping[str, Any] | None, first: Mapping[str, Any] | None) -> Record:
    if record is None or formats.is_missing(record.get("value")):
        return {"text": formats.MISSING, "note": "", "mark": ""}
    low, high = float(record["low"]), float(record["high"])
    note = f"[{formats.percent(low)}, {formats.percent(high)}]\n{record.get('numerator')}/{record.get('denominator')}"
    mark = ""
    if first is not None and not formats.is_missing(first.get("value")):
        mark = "higher" if low > float(first["high"]) else "lower" if high < float(first["low"]) else ""
    return {"text": formats.percent(record["value"]), "note": note, "mark": mark}


def long_metrics(runs: Sequence[Named]) -> list[Record]:
    """Return every rate (0..1) of every run, control rows included, one row each."""
    names = ("kind", "population", "protocol", "metric", "value", "low", "high", "numerator", "denominator")
    return [{"run": one.name, **{name: r.get(name) for name in names}} for one in runs for r in one.run.summary]


def costs(runs: Sequence[Named]) -> list[tuple[str, list[float | None]]]:
    """Return the wall time (s) of each stage in each run, and the total as the last row."""
    walls = [{str(row["stage"]): row[Col.WALL_S] for row in cost(one.run.benchmarks)} for one in runs]
    rows = [(stage, [held.get(stage) for held in walls]) for stage in dict.fromkeys(s for held in walls for s in held)]
    totals = [outcome.total_seconds(one.run) for one in runs]
    return [*rows, ("all", totals)] if rows else []


def notices(runs: Sequence[Named]) -> list[str]:
    """Return notes that a reader needs to compare the numbers."""
    warnings = [f"{one.name} {MISSING_CONFIG}." for one in runs if not one.run.config]
    hulls = {one.name: ", ".join(energies(one.run)["hull_tags"]) for one in runs}
    own = {one.name: ", ".join(energies(one.run)["energy_tags"]) for one in runs}
    for what, tags in (("hulls", hulls), ("energies", own)):
        held = {name: tag for name, tag in tags.items() if tag}
        if len(set(held.values())) > 1:
            listing = "; ".join(f"{name}: {tag}" for name, tag in held.items())
            warnings.append(f"Stabilities cannot be compared, their {what} differ: {listing}.")
    references = {one.run.setting("hull.reference") for one in runs if one.run.config}
    if len(references) > 1:
        warnings.append(f"The hulls are of different references ({', '.join(sorted(map(str, references)))}).")
    return warnings + [f"{one.name}: {problem}" for one in runs for problem in one.run.problems]
