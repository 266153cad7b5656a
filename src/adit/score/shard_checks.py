"""The slow checks of one shard of samples, which can run in parallel jobs.

Reads:  samples/<kind>/<shard>.arrow of all shards, from which the molecules for a tool are selected
Writes: checks/<kind>/<shard>.json
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from adit.config import ChecksStage
from adit.errors import ExternalToolError
from adit.isolate import kept_workers, map_isolated
from adit.progress import log
from adit.score.common.inputs import read_rows
from adit.score.common.scored import systems_of
from adit.score.molecules.run import drawn_ids
from adit.score.molecules.table import has_bonding
from adit.score.molecules.validity import check_molecule
from adit.score.tools.answers import MOFCHECKER, POSEBUSTERS, write_answers
from adit.score.tools.mofchecker import check_all, probe
from adit.score.tools.posebusters import bust
from adit.systems import AtomicSystem, Kind


@kept_workers()
def check_shard(stage: ChecksStage, kind: Kind, samples: Sequence[Path], shard: Path, out: Path, workers: int) -> None:
    """Run the slow checks on one shard; there are none for crystals.

    Args:
        stage: slice of the configuration.
        kind: kind of the samples.
        samples: all shards of the kind.
        shard: the shard to check.
        out: the file to write.
        workers: largest number of processes.

    Raises:
        DataError: a shard is missing or broken, or an id occurs twice.
    """
    systems = systems_of(read_rows([shard]))
    if kind is Kind.MOF:
        _check_mofs(stage, systems, out, workers)
        return
    limit = stage.wall_limit_s
    outcomes = map_isolated(check_molecule, systems, workers=workers, wall_limit_s=limit)
    molecules = [system for system, outcome in zip(systems, outcomes, strict=True) if has_bonding(outcome)]
    rows = read_rows(samples)
    ids = drawn_ids(rows, stage.posebusters, stage.seed)
    sent = [system for system in molecules if system.system_id in ids]
    busted = bust(sent, workers=workers, wall_limit_s=limit)
    write_answers(out, {POSEBUSTERS: list(zip(sent, busted, strict=True))})


def _check_mofs(stage: ChecksStage, systems: Sequence[AtomicSystem], out: Path, workers: int) -> None:
    try:
        probe(stage.mofchecker_python)
    except ExternalToolError as error:
        log.warning("MOFs are not checked: %s", error)
        write_answers(out, {})
        return
    limit = stage.wall_limit_s
    outcomes = check_all(systems, python=stage.mofchecker_python, workers=workers, wall_limit_s=limit)
    write_answers(out, {MOFCHECKER: list(zip(systems, outcomes, strict=True))})
