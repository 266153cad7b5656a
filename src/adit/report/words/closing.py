"""Summary of a run in five lines for the terminal: samples, DFT, engine, meaning, path of the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from adit.columns import Col, Metric, potential_title
from adit.hull.energy_tags import potential_of_tag
from adit.report.run.inputs import Run
from adit.report.words import formats
from adit.report.words.outcome import dft_counts, kinds, potentials, steps_of, uses_xtb

NAMES: Final = ("made", "DFT", "engine", "meaning", "page")
"""Names of the five lines."""

PAGE: Final = "report/index.html"
"""Path of the page inside the run."""

REDO_DFT: Final = "make run REDO='dft dft_molecules'"
"""Command that repeats DFT; a new engine alone makes no job run again."""

GPAW_MISSING: Final = Path(".venv/gpaw-missing.txt")
"""File with the reason why GPAW was not built; the set-up writes it."""


def closing(run: Run, gpaw_missing: Path = GPAW_MISSING) -> list[str]:
    """Return the five lines of a run, each with its name before it.

    Args:
        run: the run, finished or not.
        gpaw_missing: file with the reason why GPAW could not be built.
    """
    texts = (_samples(run), _dft(run), _engine(run, gpaw_missing), _meaning(run), _page(run))
    return [f"{name:<8} {text}" for name, text in zip(NAMES, texts, strict=True)]


def _counts(run: Run, kind: str) -> dict[str, int]:
    return {str(step.get("step")): int(step.get("count") or 0) for step in steps_of(run, kind)}


def _samples(run: Run) -> str:
    parts = []
    for kind in kinds(run):
        counts = _counts(run, kind)
        if "asked" in counts:
            parts.append(f"{counts['asked']} {kind}s, {counts.get('valid', 0)} of them valid")
    return "; ".join(parts) or "no scores yet"


def _dft(run: Run) -> str:
    converged, total = dft_counts(run)
    if not total:
        return "no structure was selected" if run.selected is not None else "has not run"
    text = f"{total} structures selected, {converged} converged"
    others = Counter(str(row.get(Col.STATUS)) for row in run.dft if row.get(Col.STATUS) != "converged")
    if others:
        text += ", " + ", ".join(f"{count} {status}" for status, count in sorted(others.items()))
        first = next(row for row in run.dft if row.get(Col.STATUS) != "converged")
        text += f" (e.g. {first.get(Col.SYSTEM_ID)}: {_short(str(first.get(Col.REASON) or 'no reason given'))})"
    return f"{text}; not DFT: see the engine" if uses_xtb(run) else text


def _engine(run: Run, gpaw_missing: Path) -> str:
    engine = str(run.setting("dft.engine", ""))
    if uses_xtb(run):
        text = "GFN1-xTB, a semi-empirical method and not DFT"
        return f"{text}: {_why_no_gpaw(gpaw_missing)}" if engine == "gpaw" else text
    codes = sorted({_code(row) for row in run.dft if row.get(Col.CODE)})
    if codes:
        return "; ".join(codes)
    return f"{formats.code(engine)} is configured, but did not run" if engine else "none"


def _code(row: Mapping[str, Any]) -> str:
    version = str(row.get(Col.CODE_VERSION) or "")
    parts = [
        f"{formats.code(str(row[Col.CODE]))} {version}".strip(),
        row.get(Col.FUNCTIONAL),
        f"preset {row.get(Col.PRESET)}",
    ]
    return ", ".join(str(part) for part in parts if part)


def _why_no_gpaw(path: Path) -> str:
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError:
        lines = []
    if lines:
        return "; ".join(lines[:2])
    if find_spec("gpaw") is not None:
        return f"{formats.code('gpaw')} was not installed then, but is now: {REDO_DFT} repeats these jobs with it"
    return f"{formats.code('gpaw')} is not installed (RETRY_GPAW=1 make env builds it, then {REDO_DFT})"


def _meaning(run: Run) -> str:
    parts = []
    counts = _counts(run, "crystal")
    if Metric.STABLE in counts:
        last = next(name for name in ("novel", "unique", "stable") if name in counts)
        words = {"stable": "", "unique": " and are unique", "novel": ", are unique and new to this run's data"}[last]
        potential = potential_title(potential_of_tag(_tag(run)))
        relaxed = ", ".join(map(potential_title, potentials(run))) or "an unknown method"
        energy_name = f"{potential} energies" if potential else f"energies of {_tag(run) or relaxed}"
        on_hull, gaps = _hull_counts(run)
        stable = f"{counts[last]} of {on_hull} crystals with a known hull" if gaps else f"{counts[last]} crystals"
        others = f" ({gaps} more have an unknown hull)" if gaps else ""
        parts.append(f"{stable} are below {'it' if gaps else 'the hull'} with {energy_name}{words}{others}")
    converged, total = dft_counts(run)
    if uses_xtb(run) or not total:
        parts.append("none was checked with DFT")
    elif converged:
        few = "it" if converged == 1 else f"these {converged}"
        parts.append(f"DFT relaxes {few} to a nearby structure, which does not prove stability")
    else:
        parts.append("none converged with DFT")
    return "; ".join(parts)


def _tag(run: Run) -> str:
    column = None if run.hull is None or Col.ENERGY_TAG not in run.hull else run.hull[Col.ENERGY_TAG].dropna()
    return "" if column is None or column.empty else str(column.iloc[0])


def _hull_counts(run: Run) -> tuple[int, int]:
    """Return the number of crystals with an energy above a known hull, and with one above an unknown hull."""
    frame = run.scores.get("crystal")
    if frame is None or not {Col.E_ABOVE_HULL, Col.HULL_COVERS_CHEMISTRY} <= set(frame):
        return 0, 0
    covered = frame.loc[frame[Col.E_ABOVE_HULL].notna(), Col.HULL_COVERS_CHEMISTRY].fillna(False).astype(bool)
    return int(covered.sum()), int((~covered).sum())


def _page(run: Run) -> str:
    page = run.folder / PAGE
    return page.resolve().as_uri() if page.is_file() else f"none: {page} was not written"


def _short(text: str, longest: int = 100) -> str:
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
