"""Scores of anyone's samples, with or without a reference, outside a run.

Reads:  files, folders and archives of structures
Writes: scores/ as in a run, samples/<kind>/samples.arrow
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from adit import store
from adit.config import ScoreStage
from adit.progress import log
from adit.score.inputs import Energies, Reference, read_energies
from adit.score.sample_files import read_any_reference, read_samples
from adit.score.score import NAMED, score_rows
from adit.systems import Kind


@dataclass(frozen=True)
class Given:
    """What is known of the samples, besides themselves.

    Attributes:
        kind: of all of them; ``None``: recognised.
        reference: files that novelty, distances and control rows rest on; none: those are left out.
        relaxed: tables of relaxations, as ``adit relax`` writes them.
        hull: table of ``adit hull``.
        dft: tables of DFT results.
    """

    kind: Kind | None = None
    reference: Sequence[Path] = ()
    relaxed: Sequence[Path] = ()
    hull: Path | None = None
    dft: Sequence[Path] = ()


def score_files(
    stage: ScoreStage,
    files: Sequence[Path],
    given: Given,
    out: Path,
    *,
    workers: int,
    cache: Path | None = None,
    protocols: Collection[str] = NAMED,
) -> None:
    """Score samples and write them and their scores into ``out``.

    Args:
        stage: slice of the configuration.
        files: files, folders and zip archives of samples.
        given: what is known besides.
        out: the folder; laid out as a run, so that a report can be made of it.
        workers: processes at most.
        cache: folder for what depends on the reference alone, or ``None``.
        protocols: of the named protocols, those to report.

    Raises:
        DataError: a file is missing, of no known format, or holds no sample; the reference has none of the kind.
    """
    limit = stage.score.wall_limit_s
    asked = read_samples(files, given.kind, workers=workers, wall_limit_s=limit)
    for kind, rows in asked.items():
        store.write_systems(out / "samples" / kind / "samples.arrow", rows)
    if not given.reference:
        log.warning("no --reference: novelty, distances to it and control rows are not measured")

    def reference(kind: Kind) -> Reference:
        if not given.reference:
            return Reference((), ())
        return read_any_reference(given.reference, kind, workers=workers, wall_limit_s=limit)

    asks_energies = bool(given.relaxed or given.hull or given.dft)
    energies = read_energies(given.relaxed, given.hull, given.dft) if asks_energies else Energies()
    score_rows(stage, asked, reference, energies, out / "scores", workers, cache, protocols)
