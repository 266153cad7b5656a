"""Candidates to make dossiers of: structures of files, and the best ones of a run with their results in the run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from adit import __version__, store
from adit.columns import Col
from adit.dossier.content import Subject
from adit.dossier.neighbours import absence, alike, nearest
from adit.ledger.gather import LINEAGE, RunSample, best, gather
from adit.readers import ReadSettings, need_structures, read_structures
from adit.report.run.inputs import StructuresById, load_run, structures
from adit.systems import AtomicSystem, Failure, Kind

TABLES: Final = {"hull": "hull/hull.parquet", "judge": "hull/judge.parquet", "known": "known/known.parquet"}
"""Tables of a run whose rows are shown among the scores of a candidate."""

READ: Final = ("samples", "relaxed", "scores", "hull", "known", "dft", "data")
"""Folders of a run that dossiers are made of."""


def of_files(files: Sequence[Path], reading: ReadSettings | None = None) -> tuple[list[Subject], list[Failure]]:
    """Return the structures of files as candidates, and the failures of reading.

    Args:
        files: files, folders and archives.
        reading: settings of reading; ``None``: the defaults.

    Raises:
        DataError: a file is missing or of no known format, or none of the structures can be read.
    """
    subjects, failures = [], []
    rows = read_structures(files, reading)
    need_structures(rows)
    for row in rows:
        if isinstance(row.row, Failure):
            failures.append(row.row)
            continue
        origin = {"file": row.source, "notes": "; ".join(row.notes), "adit": __version__}
        subjects.append(Subject(row.row.system_id, [("as given", row.row)], provenance=origin))
    return subjects, failures


def of_run(folder: Path, top: int) -> list[Subject]:
    """Return the best candidates of a run with their structures, scores and other results in the run.

    Args:
        folder: ``results/<run>``.
        top: number of candidates of each kind.

    Raises:
        DataError: the folder is no run, has no scores, or a file of it is broken.
    """
    samples = gather(folder)
    run = load_run(folder, "{}")
    later = {kind: [(label, structures(run, pattern)) for label, pattern in _patterns(kind)] for kind in Kind}
    manifest = _manifest(folder)
    tables = {name: _rows(folder / path) for name, path in TABLES.items()}
    chosen = best(samples, top)
    return [_subject(one, later[one.generated.kind], tables, folder, manifest) for one in chosen]


def references_of(folder: Path) -> list[AtomicSystem]:
    """Return the systems of the datasets of a run.

    Raises:
        DataError: a dataset is broken.
    """
    return [
        system for path in sorted((folder / "data").glob("*.arrow")) for system in store.read_systems(path).systems()
    ]


def _patterns(kind: Kind) -> list[tuple[str, str]]:
    return [
        ("relaxed", f"relaxed/{kind}/*.arrow"),
        ("DFT", "dft/[0-9]*.arrow" if kind is Kind.CRYSTAL else "dft/molecules/[0-9]*.arrow"),
    ]


def _rows(path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the rows of a table by kind and id, without its formulas; a table without kinds is of crystals."""
    if not path.is_file():
        return {}
    rows = store.read_frame(path).drop(columns=[Col.FORMULA], errors="ignore").to_dict("records")
    kinds = [str(row.pop("kind", Kind.CRYSTAL)) for row in rows]
    return {(kind, str(row[Col.SYSTEM_ID])): _named(row) for kind, row in zip(kinds, rows, strict=True)}


def _named(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in row.items()}


def _empty(value: Any) -> bool:
    return value == "" if isinstance(value, str) else isinstance(value, float) and math.isnan(value)


def _manifest(folder: Path) -> Mapping[str, Any]:
    path = folder / "report/manifest.json"
    record = store.read_json(path) if path.is_file() else {}
    return record if isinstance(record, dict) else {}


def _subject(
    sample: RunSample,
    later: Sequence[tuple[str, StructuresById]],
    tables: Mapping[str, Mapping[tuple[str, str], Mapping[str, Any]]],
    folder: Path,
    manifest: Mapping[str, Any],
) -> Subject:
    name = sample.generated.system_id
    steps = [("generated", sample.generated)]
    steps += [(label, system) for label, source in later if (system := source.get(name)) is not None]
    relaxed = dict(steps).get("relaxed")
    info = {} if relaxed is None else relaxed.info
    energy, tag = info.get(Col.ENERGY_PER_ATOM), str(info.get(Col.ENERGY_TAG, ""))
    verdicts = {
        str(key): value
        for table in tables.values()
        for key, value in table.get((str(sample.generated.kind), name), {}).items()
        if value is not None and not _empty(value)
    }
    record = {key: value for key, value in {**sample.record, **verdicts}.items() if key not in LINEAGE}
    code = manifest.get("code") or {}
    origin = {
        "run": folder.resolve().name,
        "id in the run": name,
        **{key: sample.record[key] for key in LINEAGE if key in sample.record},
        "made": manifest.get("made"),
        "adit": manifest.get("adit_version", __version__),
        "commit": code.get("commit") if isinstance(code, dict) else None,
    }
    has_energy = isinstance(energy, int | float) and steps[-1][0] == "relaxed" and bool(tag)
    return Subject(name, steps, float(energy) if has_energy and energy is not None else None, tag, record, origin)


def with_references(subject: Subject, references: Sequence[AtomicSystem]) -> Subject:
    """Return a candidate with its nearest systems of the data, or the reason why it has none.

    Args:
        subject: the candidate.
        references: systems of the data; of a molecule, at most ``MOLECULES`` nearest in composition are taken.
    """
    system = subject.last
    near = [("", one) for one in alike(system, references)] if system.cell is None else nearest(system, references)
    return replace(subject, references=near, absence=absence(system, references, len(near)))
