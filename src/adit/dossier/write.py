"""Dossiers on disk: a folder and a page for each candidate, and a page that lists them.

Writes: index.html, dossiers.csv, <candidate>/index.html and the files of each
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup

from adit import store
from adit.columns import Col
from adit.dossier.build import Task, build
from adit.dossier.content import Dossier, Section, Subject
from adit.dossier.decomposition import Phases
from adit.isolate import map_isolated
from adit.outputs.replace import replaced_folder
from adit.progress import Progress, log, quantity
from adit.report.page.build import environment
from adit.systems import Failure

WALL_LIMIT_S: Final = 120.0
"""Limit on the wall time of one dossier, s."""

MEMORY_BYTES: Final = 2_000_000_000
"""Memory of a worker, bytes."""

STARTUP_S: Final = 300.0
"""Longest time for loading libraries in a worker, s."""

OVERVIEW: Final = ("index.html", "dossiers.csv")
"""Files beside the folders of the candidates."""

LONG: Final = 30
"""A section with more facts is folded on the page at first."""


def write_dossiers(
    subjects: Sequence[Subject],
    failures: Sequence[Failure],
    phases: Phases | None,
    out: Path,
    *,
    inputs: Sequence[Path],
    workers: int,
    wall_limit_s: float = WALL_LIMIT_S,
) -> None:
    """Make dossiers and write them; a candidate that fails is a row with its reason.

    Args:
        subjects: candidates.
        failures: structures that could not be read; they become rows with a reason.
        phases: reference entries, or ``None``.
        out: the folder.
        inputs: files that were read, which must not be overwritten.
        workers: largest number of processes.
        wall_limit_s: limit on the wall time of one dossier, s.

    Raises:
        ConfigError: a file to write is an input, or was not written by this verb.
    """
    import pandas as pd

    progress = Progress("dossiers", len(subjects))
    with replaced_folder(out, "dossier", inputs=inputs, names=OVERVIEW) as new:
        outcomes = map_isolated(
            build,
            [Task(subject, _own(phases, subject)) for subject in subjects],
            workers=workers,
            wall_limit_s=wall_limit_s,
            memory_bytes=MEMORY_BYTES,
            on_result=lambda _, __: progress.update(),
            startup_s=STARTUP_S,
        )
        rows: list[dict[str, Any]] = []
        for subject, folder, outcome in zip(subjects, folders([s.name for s in subjects]), outcomes, strict=True):
            row = {
                "id": subject.name,
                Col.FORMULA: "",
                "folder": "",
                Col.REASON: outcome.reason,
                "seconds": outcome.wall_s,
            }
            if outcome.status == "ok":
                _write(outcome.value, new / folder)
                row |= {Col.FORMULA: outcome.value.title, "folder": folder}
            rows.append(row)
        rows += [
            {"id": one.system_id, Col.FORMULA: "", "folder": "", Col.REASON: one.reason, "seconds": None}
            for one in failures
        ]
        store.write_frame(new / "dossiers.csv", pd.DataFrame(rows))
        store.write_text(new / "index.html", environment().get_template("dossiers.html").render(rows=rows))
    good = sum(bool(row["folder"]) for row in rows)
    log.info("%s, %d without: %s", quantity(good, "dossier"), len(rows) - good, out / "index.html")


def _own(phases: Phases | None, subject: Subject) -> Phases | None:
    """Return the entries that a candidate needs: workers get no more."""
    if phases is None or subject.last.cell is None:
        return None
    from adit.elements import symbol

    return Phases(phases.tag, phases.within(frozenset(symbol(int(z)) for z in subject.last.numbers)))


def folders(names: Sequence[str]) -> list[str]:
    """Return a name of a folder for each candidate, of letters, digits, dots, dashes and underscores.

    Names that are equal without regard to capitals, or are those of the files beside the folders, get a number.
    """
    used = set(OVERVIEW)
    numbers: Counter[str] = Counter()
    chosen = []
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:80] or "candidate"
        folder = plain
        while folder.lower() in used:
            numbers[plain.lower()] += 1
            folder = f"{plain}--{numbers[plain.lower()]}"
        used.add(folder.lower())
        chosen.append(folder)
    return chosen


def _write(dossier: Dossier, folder: Path) -> None:
    for name, text in dossier.files.items():
        store.write_text(folder / name, text)
    page = environment().get_template("dossier.html")
    sections = [_shown(section) for section in dossier.sections]
    store.write_text(folder / "index.html", page.render(dossier=dossier, sections=sections))


def _shown(section: Section) -> dict[str, Any]:
    """Return a section for the template; pictures are SVG of this package."""
    return {
        "title": section.title,
        "facts": section.facts,
        "tables": section.tables,
        "pictures": [(Markup(svg), caption) for svg, caption in section.pictures],
        "notes": section.notes,
        "is_files": section.title == "Files",
        "is_long": len(section.facts) > LONG,
    }
