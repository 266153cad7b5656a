"""The files of a run: missing ones are empty, broken ones are listed as problems.

Reads: everything under ``results/<run>/`` except the logs
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from adit import store
from adit.columns import ENERGIES, Col, bare_name, stored_as
from adit.errors import ConfigError, DataError
from adit.report.run import benchmarks
from adit.systems import AtomicSystem

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
Record = dict[str, Any]

KINDS: Final = ("crystal", "molecule", "mof")
"""Kinds with scores, in the order of the page."""

BASELINE: Final = "baseline"
"""Population of the samples of another run."""

NETWORKS: Final = {"vae": "Autoencoder (VAE)", "dit": "Denoiser (DiT)"}
"""Networks by the name of their folder, with their titles."""


@dataclass(frozen=True)
class Training:
    """Files of one training.

    Attributes:
        config: ``config.json``; empty if there is none.
        metrics: ``metrics.csv``; ``None`` if there is none.
    """

    config: Record
    metrics: pd.DataFrame | None


@dataclass(frozen=True)
class Run:
    """The files of a run.

    Attributes:
        folder: folder of the run.
        config: the complete configuration, as in JSON.
        summary: records of ``scores/summary.json``.
        funnel: records of ``scores/funnel.json``.
        scores: one row per requested sample, by kind.
        datasets: ``data/<dataset>.stats.json`` of each dataset.
        training: files of the training by network.
        relaxed: ``relaxed/crystal/<shard>.parquet``, all shards.
        hull: ``hull/hull.parquet``.
        judge: ``hull/judge.parquet``.
        reference: ``hull/reference.parquet``.
        reference_sources: servers that gave its entries: name, version, dates of the oldest and the newest answer.
        stability: ``stability/stability.parquet``.
        phonon_dos: ``stability/dos.parquet``.
        selected: ``dft/selected.parquet``.
        dft: one record per structure that was relaxed with DFT.
        benchmarks: Snakemake's measurements, one record per job.
        measures: records of ``scores/measures.json``: scores that are not rates.
        separation: records of ``scores/separation.json``: which scores separate real systems from controls.
        card: ``scores/card.json``: matchers and protocols that decided the scores.
        sensitivity: ``scores/sensitivity-crystal.csv``: rates by number of samples and seed.
        properties: ``scores/properties-molecule.csv``: values of properties of samples and control rows.
        baseline: records of ``scores/summary.json`` of the run in ``report.baseline``: its samples, of the metrics that
            this run has too, as the population ``baseline``.
        problems: unreadable files, one line each.
    """

    folder: Path
    config: Record
    summary: list[Record] = field(default_factory=list)
    funnel: list[Record] = field(default_factory=list)
    scores: dict[str, pd.DataFrame] = field(default_factory=dict)
    datasets: list[Record] = field(default_factory=list)
    training: dict[str, Training] = field(default_factory=dict)
    relaxed: pd.DataFrame | None = None
    hull: pd.DataFrame | None = None
    judge: pd.DataFrame | None = None
    reference: pd.DataFrame | None = None
    reference_sources: list[Record] = field(default_factory=list)
    stability: pd.DataFrame | None = None
    phonon_dos: pd.DataFrame | None = None
    selected: pd.DataFrame | None = None
    dft: list[Record] = field(default_factory=list)
    benchmarks: list[Record] = field(default_factory=list)
    measures: list[Record] = field(default_factory=list)
    separation: list[Record] = field(default_factory=list)
    card: Record = field(default_factory=dict)
    sensitivity: pd.DataFrame | None = None
    properties: pd.DataFrame | None = None
    baseline: list[Record] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def setting(self, path: str, default: Any = None) -> Any:
        """Return a value of the configuration by its dotted path, e.g. ``score.confidence``; else ``default``."""
        value: Any = self.config
        for name in path.split("."):
            if not isinstance(value, dict) or name not in value:
                return default
            value = value[name]
        return value


def load_run(folder: Path, run_config: str) -> Run:
    """Read a run.

    Args:
        folder: ``results/<run>``.
        run_config: the complete configuration as JSON.

    Raises:
        ConfigError: ``run_config`` is not a JSON object.
        DataError: there is no such folder.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such run; give the folder of a run, e.g. results/demo")
    problems: list[str] = []
    reader = _Reader(folder, problems)
    config, summary = _config(run_config), reader.records("scores/summary.json")
    lookups = reader.frame("known/known.parquet")
    return Run(
        folder=folder,
        config=config,
        summary=summary,
        baseline=_baseline(config, summary, problems),
        funnel=reader.records("scores/funnel.json"),
        scores={
            kind: with_lookups(with_plain_energies(frame), kind, lookups)
            for kind in KINDS
            if (frame := reader.frame(f"scores/{kind}.parquet")) is not None
        },
        datasets=[
            _stats(stats, path, problems)
            for path in reader.glob("data/*.stats.json")
            if isinstance(stats := reader.json(path), dict)
        ],
        training={name: _training(reader, name) for name in NETWORKS},
        relaxed=_relaxed(reader),
        hull=reader.frame("hull/hull.parquet"),
        judge=reader.frame("hull/judge.parquet"),
        reference=reader.frame("hull/reference.parquet"),
        reference_sources=_sources(reader),
        stability=reader.frame("stability/stability.parquet"),
        phonon_dos=reader.frame("stability/dos.parquet"),
        selected=reader.frame("dft/selected.parquet"),
        dft=_dft(reader),
        benchmarks=benchmarks.read(folder),
        measures=reader.records("scores/measures.json"),
        separation=reader.records("scores/separation.json"),
        card=card if isinstance(card := reader.json("scores/card.json"), dict) else {},
        sensitivity=reader.frame("scores/sensitivity-crystal.csv"),
        properties=reader.frame("scores/properties-molecule.csv"),
        problems=problems,
    )


def _baseline(config: Record, summary: list[Record], problems: list[str]) -> list[Record]:
    """Return the rates of the samples of another run, as a control population of this one."""
    settings = config.get("report")
    path = settings.get("baseline") if isinstance(settings, dict) else None
    if not isinstance(path, str):
        return []
    missing: list[str] = []
    records = _Reader(Path(path), missing).records("scores/summary.json")
    if not records:
        missing = missing or ["scores/summary.json is missing, or empty; run its evaluation first"]
    problems += [f"report.baseline: {path}: {problem}" for problem in missing]
    own = {(r.get("kind"), r.get("protocol"), r.get("metric")) for r in summary}
    return [
        {**r, "population": BASELINE}
        for r in records
        if r.get("population") == "samples" and (r.get("kind"), r.get("protocol"), r.get("metric")) in own
    ]


def with_plain_energies(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with surrogate energies under their plain names too, for sorting and drawing.

    The page shows the surrogate's name. An energy that is not finite is missing.
    """
    import numpy as np
    import pandas as pd

    held = [name for name in frame if bare_name(str(name)) in ENERGIES]
    numbers = {name: pd.to_numeric(frame[name], errors="coerce").astype(float) for name in held}
    frame = frame.assign(**{name: values.where(np.isfinite(values)) for name, values in numbers.items()})
    stored = {str(name): stored_as(name, frame) for name in ENERGIES}
    return frame.assign(**{name: frame[other] for name, other in stored.items() if other in frame})


def with_lookups(frame: pd.DataFrame, kind: str, lookups: pd.DataFrame | None) -> pd.DataFrame:
    """Return the scores of a kind with whether each structure is known; unchanged where nothing was looked up.

    Args:
        frame: one row per sample.
        kind: crystal, molecule or mof.
        lookups: ``known/known.parquet``; ``None``: there is none.
    """
    needed = {Col.SYSTEM_ID, "kind", Col.IS_KNOWN}
    if lookups is None or not needed <= set(lookups) or Col.SYSTEM_ID not in frame:
        return frame
    own = lookups[lookups["kind"] == kind].drop_duplicates(Col.SYSTEM_ID).set_index(Col.SYSTEM_ID)
    names = [name for name in own if str(name).startswith(str(Col.IS_KNOWN)) and name not in frame]
    ids = frame[Col.SYSTEM_ID]
    return frame.assign(**{str(name): ids.map(own[name]).where(lambda v: v != "", None) for name in names})


def _config(text: str) -> Record:
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"--run-config: is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError("--run-config: must be a JSON object, the whole configuration")
    return values


class _Reader:
    """Reads files of a run; a missing file is ``None``, a broken one is ``None`` and a problem."""

    def __init__(self, folder: Path, problems: list[str]) -> None:
        self.folder, self.problems = folder, problems

    def glob(self, pattern: str) -> list[Path]:
        """Return the files that match, relative to the run's folder."""
        return sorted(path.relative_to(self.folder) for path in self.folder.glob(pattern))

    def attempt(self, path: Path | str, read: Callable[[Path], T]) -> T | None:
        full = self.folder / path
        if not full.is_file():
            return None
        try:
            return read(full)
        except DataError as error:
            message = str(error).replace(f"{self.folder}/", "")
            if message not in self.problems:  # several parts of the page read the same file
                self.problems.append(message)
        return None

    def json(self, path: Path | str) -> Any:
        return self.attempt(path, store.read_json)

    def frame(self, path: Path | str) -> pd.DataFrame | None:
        return self.attempt(path, store.read_frame)

    def records(self, path: str) -> list[Record]:
        content = self.json(path)
        if content is not None and not isinstance(content, list):
            self.problems.append(f"{path}: is not a list of records")
        return [record for record in content if isinstance(record, dict)] if isinstance(content, list) else []


def _stats(statistics: Record, path: Path, problems: list[str]) -> Record:
    """Return the statistics of a dataset without entries of a wrong type."""
    wanted: dict[str, tuple[type, str]] = dict.fromkeys(
        ("n_systems", "size_histogram", "elements", "failures", "verified"), (dict, "table")
    ) | dict.fromkeys(("n_rows", "n_failed"), (int, "number"))
    wrong = [
        name for name, (kind, _) in wanted.items() if name in statistics and not isinstance(statistics[name], kind)
    ]
    problems.extend(f"{path}: {name} is not a {wanted[name][1]}" for name in wrong)
    return {name: value for name, value in statistics.items() if name not in wrong}


def _training(reader: _Reader, name: str) -> Training:
    record = reader.json(f"{name}/config.json")
    return Training(record if isinstance(record, dict) else {}, reader.frame(f"{name}/metrics.csv"))


def _sources(reader: _Reader) -> list[Record]:
    stored = reader.attempt("hull/reference.parquet", store.read_metadata) or {}
    sources = stored.get("sources")
    return [each for each in sources if isinstance(each, dict)] if isinstance(sources, list) else []


def _relaxed(reader: _Reader) -> pd.DataFrame | None:
    import pandas as pd

    frames = [frame for path in reader.glob("relaxed/crystal/*.parquet") if (frame := reader.frame(path)) is not None]
    return pd.concat(frames, ignore_index=True) if frames else None


def _dft(reader: _Reader) -> list[Record]:
    """Return the rows of ``dft/<shard>.parquet``, each with the warnings of its ``result.json``."""
    rows: list[Record] = []
    for path in [*reader.glob("dft/*.parquet"), *reader.glob("dft/molecules/*.parquet")]:
        if path.stem.isdigit() and (frame := reader.frame(path)) is not None:
            rows += frame.to_dict("records")
    details = {
        str(r.get(Col.SYSTEM_ID)): r
        for path in reader.glob("dft/*/result.json")
        if isinstance(r := reader.json(path), dict)
    }
    if not rows:
        return [details[name] for name in sorted(details)]
    return [{**details.get(str(row.get(Col.SYSTEM_ID)), {}), **row} for row in rows]


class StructuresById:
    """Structures by id, read when they are needed; if several files have an id, the first is used.

    Args:
        tables: files of systems; failures are left out.
    """

    def __init__(self, tables: Iterable[store.SystemTable]) -> None:
        self._rows: dict[str, tuple[store.SystemTable, int]] = {}
        for table in tables:
            for index, (system_id, n_atoms) in enumerate(zip(table.ids, table.n_atoms, strict=True)):
                if n_atoms:
                    self._rows.setdefault(system_id, (table, index))

    def get(self, system_id: str) -> AtomicSystem | None:
        """Return the structure of an id; ``None`` if there is none."""
        if system_id not in self._rows:
            return None
        table, index = self._rows[system_id]
        try:
            row = table[index]
        except DataError:
            return None
        return row if isinstance(row, AtomicSystem) else None


def structures(run: Run, *patterns: str) -> StructuresById:
    """Return the structures of the files that match the patterns, e.g. ``relaxed/crystal/*.arrow``."""
    reader = _Reader(run.folder, run.problems)
    paths = [path for pattern in patterns for path in reader.glob(pattern)]
    return StructuresById([table for path in paths if (table := reader.attempt(path, store.read_systems)) is not None])
