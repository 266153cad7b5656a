"""Tuning of sampling: validity against time over solver, grid, steps and guidance, and the Pareto front.

Reads:  tune/<point>/<kind>.json (time), tune/<point>/<kind>.arrow (settings), tune/<point>/scores/summary.json
Writes: tune/points.csv, tune/pareto.csv, tune/tune-<kind>.svg, .png and .csv
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adit import store
from adit.columns import Metric
from adit.config import TuneStage
from adit.errors import ConfigError, DataError
from adit.outputs.replace import replaced_folder
from adit.progress import log
from adit.report.figures.drawing import COLOURS, Drawing, new_figure, save_drawing, styled

if TYPE_CHECKING:
    import pandas as pd

VALIDITY: Final = {
    "crystal": ("adit", Metric.OVERALL_VALIDITY),
    "molecule": ("strict", Metric.VALIDITY),
    "mof": ("mofchecker", Metric.MOFCHECKER_ALL),
}
"""Protocol and metric of the validity of a kind."""


def gather_tuning(stage: TuneStage, points: Sequence[Path], out: Path) -> None:
    """Write the table of all points, the Pareto front of each kind, and a plot of each kind.

    Args:
        stage: slice of the configuration, with the seed of the run.
        points: folders of the points.
        out: folder of the results.

    Raises:
        ConfigError: samples were generated with the seed of the run, or a file to write was not written by this verb.
        DataError: no point has samples, or a point lacks a file or a number.
    """
    import pandas as pd

    records = [record for point in points for record in _records(point, stage.seed)]
    if not records:
        raise DataError(f"{out}: no point of the grid has samples")
    table = pd.DataFrame(records)
    table["pareto"] = False
    for _, rows in table.groupby("kind"):
        table.loc[pareto(rows), "pareto"] = True
    with replaced_folder(out, "tune", inputs=points, names=("points.csv", "pareto.csv")) as new:
        _write(table, new)


def _write(table: pd.DataFrame, out: Path) -> None:
    """Write the table of all points, the front, and a plot of each kind."""
    store.write_frame(out / "points.csv", table)
    store.write_frame(out / "pareto.csv", table[table["pareto"]].sort_values(["kind", "seconds_per_sample"]))
    for kind, rows in table.groupby("kind"):
        drawing = tuning(str(kind), rows.reset_index(drop=True))
        save_drawing(drawing, out)
        with store.atomic_path(out / f"{drawing.name}.png") as temporary:
            drawing.figure.savefig(temporary, format="png", dpi=200, facecolor="white")
        for row in rows[rows["pareto"]].sort_values("seconds_per_sample").itertuples():
            log.info(
                "%s: %s, %s grid, T = %d, γ = %g: %.1f %% valid (%.1f to %.1f), %.4f s per sample",
                *(kind, row.solver, row.grid, row.steps, row.guidance),
                *(100 * row.validity, 100 * row.low, 100 * row.high, row.seconds_per_sample),
            )


def _records(point: Path, reporting_seed: int) -> list[dict[str, Any]]:
    summary = store.read_json(point / "scores/summary.json")
    records = []
    for path in sorted(point.glob("*.arrow")):
        settings = store.read_systems(path).metadata
        if settings.get("seed") == reporting_seed:
            raise ConfigError(f"{path}: was sampled with the seed of the run; tuning must not see those samples")
        timing = store.read_json(point / f"{path.stem}.json")
        score = _score(summary, path.stem, point)
        records.append(
            {
                "kind": path.stem,
                **{name: settings[name] for name in ("solver", "grid", "steps", "guidance", "seed")},
                "evaluations": timing["evaluations"],
                "samples": timing["samples"],
                "seconds_per_sample": timing["seconds"] / timing["samples"],
                Metric.VALIDITY: score["value"],
                "low": score["low"],
                "high": score["high"],
            }
        )
    return records


def _score(summary: Sequence[Mapping[str, Any]], kind: str, point: Path) -> Mapping[str, Any]:
    protocol, metric = VALIDITY[kind]
    wanted = {"kind": kind, "population": "samples", "protocol": protocol, "metric": metric}
    for record in summary:
        if all(record.get(name) == value for name, value in wanted.items()):
            if record["value"] is None:
                why = record.get("basis") or "no samples"
                raise DataError(f"{point}: the {metric} of {kind}s has no value ({why})")
            return record
    raise DataError(f"{point}: the scores hold no {metric} of {kind}s; run `adit score` for it")


def pareto(rows: pd.DataFrame) -> list[Any]:
    """Return the index of the rows that no other row surpasses in both time and validity.

    Args:
        rows: points of one kind, with ``seconds_per_sample`` (s) and ``validity`` (0..1).
    """
    front, best = [], -1.0
    for row in rows.sort_values(["seconds_per_sample", Metric.VALIDITY], ascending=[True, False]).itertuples():
        if row.validity > best:
            best = float(row.validity)
            front.append(row.Index)
    return front


@styled
def tuning(kind: str, rows: pd.DataFrame) -> Drawing:
    """Draw validity against time: a colour per solver and grid, the front as a line with steps and γ at its points.

    Args:
        kind: kind of the samples.
        rows: points of this kind: ``seconds_per_sample`` (s), ``validity``, ``low``, ``high`` (0..1), ``pareto``, and
            the settings.
    """
    figure, grid = new_figure(7.2, 4.2)
    axes = grid[0, 0]
    for (name, part), colour in zip(rows.groupby(["solver", "grid"]), _colours(), strict=False):
        errors = [(part[Metric.VALIDITY] - part["low"]) * 100, (part["high"] - part[Metric.VALIDITY]) * 100]
        axes.errorbar(
            part["seconds_per_sample"],
            part[Metric.VALIDITY] * 100,
            yerr=errors,
            fmt="o",
            color=colour,
            alpha=0.75,
            markersize=4,
            elinewidth=0.8,
            label=", ".join(map(str, name)),
        )
    front = rows[rows["pareto"]].sort_values("seconds_per_sample")
    axes.plot(front["seconds_per_sample"], front[Metric.VALIDITY] * 100, color=COLOURS["grey"], linewidth=1.0, zorder=0)
    for row in front.itertuples():
        axes.annotate(
            f"T {row.steps}, γ {row.guidance:g}",
            (row.seconds_per_sample, 100 * row.validity),
            xytext=(4, 5),
            textcoords="offset points",
            fontsize=8,
        )
    axes.set_xscale("log")
    axes.set_xlabel("time a sample (s)")
    axes.set_ylabel(f"valid {kind}s (%)")
    axes.legend(fontsize=8, loc="lower right")
    text = f"Valid {kind}s against sampling time: " + "; ".join(
        f"{r.solver} T {r.steps} γ {r.guidance:g} {100 * r.validity:.1f} %" for r in front.itertuples()
    )
    return Drawing(f"tune-{kind}", figure, rows, text)


def _colours() -> list[str]:
    return [colour for name, colour in COLOURS.items() if name != "grey"] * 4
