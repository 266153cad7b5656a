"""Scores of users' samples, with or without a reference, outside a run.

Reads:  files, folders and archives of structures
Writes: scores/ as in a run, samples/<kind>/samples.arrow
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adit import store
from adit.config import ScoreStage
from adit.errors import ConfigError, DataError, why_no_file
from adit.isolate import kept_workers
from adit.outputs.replace import check_folder, remove_all, replaced_folder
from adit.progress import log
from adit.readers import ParseSettings, ReadSettings, by_kind, check_paths, need_structures, read_structures
from adit.score.common.inputs import Energies, Reference, read_energies
from adit.score.given import joined, origins_of, read_any_references
from adit.score.score import NAMED, OUTPUTS, score_rows
from adit.systems import Kind

SAMPLES: Final = "samples.arrow"
"""Name of the file with the samples of a kind."""


@dataclass(frozen=True)
class Given:
    """Further inputs of scoring a user's samples.

    Attributes:
        kind: kind of all samples; ``None``: detected.
        reference: reference files of novelty, distances and control rows; empty: these are left out.
        relaxed: tables of relaxations, as ``adit relax`` writes them.
        hull: table of ``adit hull``.
        dft: tables of DFT results.
    """

    kind: Kind | None = None
    reference: Sequence[Path] = ()
    relaxed: Sequence[Path] = ()
    hull: Path | None = None
    dft: Sequence[Path] = ()


@kept_workers()
def score_files(
    stage: ScoreStage,
    files: Sequence[Path],
    given: Given,
    out: Path,
    *,
    workers: int,
    cache: Path | None = None,
    protocols: Collection[str] = NAMED,
    reading: ReadSettings | None = None,
) -> None:
    """Score samples and write them and their scores into ``out``.

    Args:
        stage: slice of the configuration.
        files: files, folders and archives of samples.
        given: further inputs.
        out: the folder, with the layout of a run, so that it can have a report.
        workers: largest number of processes.
        cache: folder for results that depend only on the reference, or ``None``.
        protocols: named protocols to report.
        reading: settings of reading; ``None``: the defaults.

    Raises:
        ConfigError: ``out`` is a file or the folder of a run, or holds files that this verb did not write; a table
            belongs to other samples.
        DataError: a file is missing, has an unknown format or no sample; the reference has none of the kinds; none of
            the samples can be read.
    """
    reading = reading or ReadSettings(workers, ParseSettings())
    _check(files, given, out)
    tables = [*given.relaxed, *(path.with_suffix(".arrow") for path in given.relaxed), *given.dft]
    inputs = [*files, *given.reference, *tables, *([given.hull] if given.hull else [])]
    check_folder(out, "score", inputs=inputs, names=[f"scores/{name}" for name in OUTPUTS])
    check_folder(out / "report", "report", inputs=inputs, names=())  # its page goes with the old scores
    asks_energies = bool(given.relaxed or given.hull or given.dft)
    energies = read_energies(given.relaxed, given.hull, given.dft) if asks_energies else Energies()
    read = read_structures(files, reading)
    need_structures(read)
    samples = by_kind(read, given.kind)
    need_structures([row for rows in samples.values() for row in rows])  # of the kind that is named
    if asks_energies:
        given_rows = [row for kind in (Kind.CRYSTAL, Kind.MOLECULE) for row in samples.get(kind, [])]
        energies = joined(energies, given_rows, _names_of_tables(given))
    references: dict[Kind, Reference] = {}
    if given.reference:
        references = read_any_references(given.reference, list(samples), reading)
    else:
        log.warning("no --reference: novelty, distances to it and control rows are not measured")
    requested = {kind: [row.kept() for row in rows] for kind, rows in samples.items()}
    nothing = Reference((), ())
    with replaced_folder(out, "score", inputs=inputs, names=[f"samples/{kind}/{SAMPLES}" for kind in requested]) as new:
        for kind, kept in requested.items():
            store.write_systems(new / "samples" / kind / SAMPLES, kept)
        score_rows(
            stage,
            requested,
            lambda kind: references.get(kind, nothing),
            energies,
            new / "scores",
            workers,
            cache,
            protocols,
            origins={kind: origins_of(rows) for kind, rows in samples.items()},
        )
        remove_all(out / "report", "report")  # a page of other scores


def _names_of_tables(given: Given) -> dict[str, str]:
    names = {"relaxed": given.relaxed, "hull": [given.hull] if given.hull else [], "dft": given.dft}
    return {name: ", ".join(map(str, paths)) for name, paths in names.items()}


def _check(files: Sequence[Path], given: Given, out: Path) -> None:
    """Check every path before long computations."""
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out {out}: is a file; name a folder")
    foreign = [path for path in out.glob("samples/*/*.arrow") if path.name != SAMPLES]
    if foreign or any((out / name).is_dir() for name in ("vae", "latents", "dit")):
        raise ConfigError(f"--out {out}: is the folder of a run, which these scores would mix with; name another")
    check_paths([*files, *given.reference])
    for path in given.reference:
        if path.suffix == ".arrow":
            store.read_systems(path)
    tables = [*given.relaxed, *([given.hull] if given.hull else []), *given.dft]
    for path in [*tables, *(table.with_suffix(".arrow") for table in given.relaxed)]:
        if not path.is_file():
            raise DataError(f"{path}: {why_no_file(path)}; give what adit relax, adit hull and adit stage dft write")
