"""Stage ``report``: a page that opens from disk without a network, and the run manifest.

Reads:  everything of the run
Writes: report/index.html, report/manifest.json, report/figures/<name>.svg and .csv
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from adit import store
from adit.columns import Col
from adit.config import ReportStage
from adit.outputs.replace import replaced_folder
from adit.progress import log
from adit.report.candidates import data as candidates
from adit.report.candidates import gallery
from adit.report.figures import charts as figures
from adit.report.figures.drawing import Drawing, save_drawing
from adit.report.page import assets, citations, sections
from adit.report.paper import coverage as paper
from adit.report.paper import headline
from adit.report.run.inputs import NETWORKS, Run, load_run
from adit.report.run.manifest import for_json, manifest
from adit.report.words import formats, outcome, protocol, symmetry, tables
from adit.report.words.next_steps import next_steps

Record = dict[str, Any]

NAMES = (
    *("index.html", "manifest.json", "references.bib", "summary.json"),
    *(f"assets/{name}" for name in ("page.js", *assets.VIEWER)),
)
"""Files of every report."""

READ = (
    *("ablations", "benchmarks", "checks", "data", "dft", "dit", "doctor", "hull", "latents", "logs", "relaxed"),
    *("samples", "scores", "stability", "tune", "vae", "weights"),
)
"""Folders of a run that a report can read."""


def report(stage: ReportStage, run: Path, out: Path, run_config: str) -> None:
    """Write ``index.html``, ``manifest.json`` and ``figures/`` into ``out``.

    Args:
        stage: slice of the configuration.
        run: ``results/<run>``; the page lists missing parts.
        out: the folder to write to.
        run_config: the complete configuration as JSON.

    Raises:
        ConfigError: ``run_config`` is not a JSON object, or a file to write was not written by this verb.
        DataError: there is no such run.
    """
    results = load_run(run, run_config)
    with replaced_folder(out, "report", inputs=[run / name for name in READ], names=NAMES) as new:
        assets.write(new / "assets")
        builder = _Builder(stage, results, new)
        page = builder.page()
        about = manifest(results, stage.name)
        store.write_text(new / "index.html", environment().get_template("page.html").render(**page, about=about))
        store.write_text(new / "references.bib", page["bibliography"])
        store.write_json(new / "manifest.json", about)
        store.write_json(new / "summary.json", for_json(summary(results, stage.name)))
    log.info("%s", outcome.sentence(results))


def summary(run: Run, name: str) -> Record:
    """Return the outcome of a run for programs: sentence, tiles, notices, funnel and all rates.

    Args:
        run: the run.
        name: name of the run.
    """
    return {
        "run": name,
        "outcome": outcome.sentence(run),
        "energies": outcome.hull_text(run),
        "numbers": [{"label": label, "value": value, "note": note} for label, value, note in outcome.tiles(run)],
        "notices": [{"title": notice.title, "text": notice.text} for notice in outcome.notices(run)],
        "funnel": run.funnel,
        "metrics": run.summary,
    }


def environment() -> Environment:
    """Return the environment of the templates, with escaping."""
    templates = Environment(
        loader=PackageLoader("adit.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "seconds": formats.seconds,
        "count": formats.count,
        "quantity": formats.quantity,
        "json": lambda value: json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False),
    }
    return templates


@dataclass
class _Builder:
    """Makes the template's variables, section by section."""

    stage: ReportStage
    run: Run
    folder: Path

    def page(self) -> Record:
        """Return the template's variables."""
        kinds = outcome.kinds(self.run)
        return {
            "title": self.stage.report.title,
            "name": self.stage.name,
            "trained_on": outcome.trained_on(self.run),
            "seconds": outcome.total_seconds(self.run),
            "sentence": outcome.sentence(self.run),
            "confidence": _confidence(self.run.setting("score.confidence")),
            "tiles": outcome.tiles(self.run),
            "kinds": [self._kind(kind) for kind in kinds],
            "hull_text": outcome.hull_text(self.run),
            "paper_tables": paper.tables(self.run, self.folder / "tables"),
            "paper_figures": paper.figures(self.run, self._draw),
            "symmetry": tables.pairs(symmetry.facts(self.run.relaxed)),
            "dossiers": bool(self.stage.report.dossiers),
            "stability": sections.stability(self.run, self._draw),
            "dft": sections.dft(self.run),
            "training": [
                part for name in NETWORKS if (part := sections.training(self.run, name, self._draw)) is not None
            ],
            "datasets": [sections.dataset(stats, self._draw) for stats in self.run.datasets],
            "protocol_card": protocol.card(self.run),
            "definitions": protocol.definitions(self.run.summary),
            "next_steps": next_steps(self.run, self._best()),
            "bibliography": citations.bibliography(self.run),
            "notices": outcome.notices(self.run),  # last, after all files that may be broken were opened
        }

    def _best(self) -> list[str]:
        """Return the ids of the crystals, best first."""
        frame = gallery.ranked(self.run)
        return [] if frame is None else frame[Col.SYSTEM_ID].astype(str).tolist()

    def _draw(self, drawing: Drawing) -> Record:
        return {"svg": save_drawing(drawing, self.folder / "figures"), "name": drawing.name}

    def _properties(self, kind: str) -> Record | None:
        values = self.run.properties
        if kind != "molecule" or not _has_values(values):
            return None
        return self._draw(figures.property_histograms(kind, values))

    def _kind(self, kind: str) -> Record:
        steps = outcome.steps_of(self.run, kind)
        records = [r for r in (*self.run.summary, *self.run.baseline) if r.get("kind") == kind]
        main, others = headline.split(records)
        limit = self.stage.report.gallery
        return {
            "name": kind,
            "headline": headline.headline(kind, main, self.run.separation) if main else None,
            "others": headline.headline(kind, others, self.run.separation) if others else None,
            "measures": headline.measures(self.run.measures, self.run.separation, kind),
            "sources": headline.sources(kind),
            "rates": self._draw(figures.rates(kind, main)) if any(r.get("value") is not None for r in main) else None,
            "funnel": self._draw(figures.funnel_bars(kind, steps)) if steps else None,
            "reasons": tables.reasons(steps) if steps else None,
            "properties": self._properties(kind),
            "cards": gallery.molecules(self.run, limit)
            if kind == "molecule"
            else gallery.crystals(self.run, limit, kind),
            "written": candidates.write(self.run, kind, self.folder / "data"),
        }


def _has_values(values: Any) -> bool:
    """Return whether a table of properties has rows, and the columns that are drawn."""
    return values is not None and {"population", "property", "value"} <= set(values) and len(values) > 0


def _confidence(level: Any) -> str:
    return f"{100 * level:g} %" if isinstance(level, int | float) else "the"
