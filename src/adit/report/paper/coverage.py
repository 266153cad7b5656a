"""The paper's figures and tables, as far as the run has the numbers.

Writes: report/figures/<name>.{svg,pdf,csv}, report/tables/<name>.csv
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adit import store
from adit.columns import Col
from adit.errors import DataError
from adit.report.figures.drawing import Drawing
from adit.report.paper import convergence, distributions, latents, populations, solver_figures
from adit.report.paper import tables as paper_tables
from adit.report.run.inputs import Run
from adit.report.words import outcome

if TYPE_CHECKING:
    import pandas as pd

Record = dict[str, Any]
"""An object of JSON, or the variables of a template."""

Save = Callable[[Drawing], Record]
"""Saves a drawing and returns its record for the page."""

CAPTIONS: Final = {
    Col.E_ABOVE_HULL: "Energies above the hull (Fig. 4).",
    Col.FORMATION_ENERGY: "Formation energies (Fig. 4).",
    Col.N_ELEMENTS: "Number of different elements in a crystal (Fig. 4).",
    "spacegroups": "Spacegroups of the crystals as generated, the most frequent ones (Fig. 5).",
    "convergence": "Rates against the number of samples, in the order of sampling (Fig. 6).",
    "seeds": "Rates against the number of samples: mean over choices, band of two standard deviations (Fig. 6).",
    "grid": "Validity over guidance and number of steps; the samples are those of the tuning seed (Fig. 7).",
    "speed": "Validity, and the time of 10,000 samples on this hardware, against the number of steps (Fig. 2).",
    "latents": "Latents of atoms of the datasets in the plane of their first two principal components",
}


def figures(run: Run, save: Save) -> list[Record]:
    """Draw the figures for which the run has the numbers.

    Args:
        run: the run.
        save: saves a drawing and returns its record for the page.

    Returns:
        Records with ``picture`` and ``caption``.
    """
    drawings: list[Record] = []

    def add(drawing: Drawing, caption: str) -> None:
        drawings.append({"picture": save(drawing), "caption": caption})

    hull_name = outcome.hull_text(run)
    for key in (Col.E_ABOVE_HULL, Col.FORMATION_ENERGY):
        if values := populations.populations(run, key):
            note = " Those of the training crystals are the DFT energies of the dataset." if "train" in values else ""
            add(distributions.energies(key, values, hull_name), f"{CAPTIONS[key]} {hull_name}{note}")
    if values := populations.populations(run, Col.N_ELEMENTS):
        add(distributions.n_ary(values), CAPTIONS[Col.N_ELEMENTS])
    if groups := populations.spacegroups(run):
        add(distributions.spacegroups(groups), CAPTIONS["spacegroups"])
    for kind, frame in run.scores.items():
        seeded = (
            convergence.seeded_rates(run.sensitivity) if kind == "crystal" and run.sensitivity is not None else None
        )
        rates = convergence.running_rates(kind, frame) if seeded is None else seeded
        if len(rates):
            add(convergence.convergence(kind, rates), CAPTIONS["convergence" if seeded is None else "seeds"])
    for kind, rows in _tuning(run):
        add(solver_figures.solver_grid(kind, rows), CAPTIONS["grid"])
        add(solver_figures.speed(kind, rows), CAPTIONS["speed"])
    table = latents.principal_components(run)
    if table is not None:
        add(latents.by_kind(table), f"{CAPTIONS['latents']}, by kind (Fig. 8).")
        if table["element"].isin(latents.ELEMENTS).any():
            add(latents.by_element(table), f"{CAPTIONS['latents']}, carbon, nitrogen, oxygen and fluorine (Fig. 9).")
    return drawings


def _tuning(run: Run) -> list[tuple[str, pd.DataFrame]]:
    path = run.folder / "tune/points.csv"
    if not path.is_file():
        return []
    try:
        points = store.read_frame(path)
    except DataError as error:
        run.problems.append(str(error).replace(f"{run.folder}/", ""))
        return []
    needed = {"kind", "solver", "grid", "steps", "guidance", "validity", "seconds_per_sample"}
    return [(str(kind), rows) for kind, rows in points.groupby("kind")] if needed <= set(points.columns) else []


def tables(run: Run, folder: Path) -> list[Record]:
    """Write the tables for which the run has the numbers, and return them for the page.

    Args:
        run: the run.
        folder: folder of the tables, ``<name>.csv`` each.
    """
    size = run.training["dit"].config.get("parameters") if "dit" in run.training else None
    figure_rows = []
    for table in paper_tables.TABLES:
        frame = paper_tables.build(table, run.summary, size if isinstance(size, int | float) else None)
        if frame is not None:
            store.write_frame(folder / f"{table.name}.csv", frame)
            figure_rows.append(paper_tables.cells(table, frame))
    return figure_rows + [_ablation(run, folder, name, title) for name, title in ABLATIONS.items() if _held(run, name)]


ABLATIONS: Final = {"autoencoders": "Table 5: autoencoders", "denoisers": "Table 6: denoisers"}
"""Tables of ``ablations/``, with their titles in the paper."""


def _held(run: Run, name: str) -> bool:
    return (run.folder / f"ablations/{name}.csv").is_file()


def _ablation(run: Run, folder: Path, name: str, title: str) -> Record:
    try:
        frame = store.read_frame(run.folder / f"ablations/{name}.csv")
    except DataError as error:
        run.problems.append(str(error).replace(f"{run.folder}/", ""))
        return {"name": name, "title": title, "note": "", "heads": [], "rows": []}
    file = f"table-{5 if name == 'autoencoders' else 6}"
    store.write_frame(folder / f"{file}.csv", frame)
    shown = [column for column in frame if not str(column).endswith((": low", ": high"))]
    rows = []
    for row in frame[shown].to_dict("records"):
        texts = [(_text(value), "") for value in list(row.values())[1:]]
        rows.append({"model": str(row[shown[0]]), "own": True, "source": "", "cells": texts})
    return {"name": file, "title": title, "note": "", "heads": shown, "rows": rows}


def _text(value: Any) -> str:
    if isinstance(value, float):
        return "—" if value != value else f"{value:.4g}"
    return str(value)
