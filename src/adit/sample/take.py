"""``adit stage take``: samples of another program become the shards of a run.

Reads:  sample.from
Writes: samples/<kind>/<shard>.arrow
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from adit.config import TakeStage
from adit.errors import DataError
from adit.progress import log
from adit.readers import by_kind, need_structures, read_structures, settings_of
from adit.store import Row, write_systems
from adit.systems import Kind


def take(stage: TakeStage, source: Path, shards: Mapping[Kind, Sequence[Path]], workers: int, *, refuse: bool) -> None:
    """Read the samples and write the shards of every kind: the first ones, up to the requested number.

    Args:
        stage: slice of the configuration.
        source: file, folder or archive of samples.
        shards: kind → files to write; the samples are spread evenly over them.
        workers: processes that read the structures.
        refuse: whether structures that contradict their own file are failures.

    Raises:
        DataError: the source is missing or unreadable, or contains none of a requested kind, or none that can be
            read.
    """
    reading = settings_of(stage.read, stage.limits, workers, refuse=refuse)
    read = read_structures([source], reading)
    need_structures(read)
    samples = by_kind(read, None)
    for kind in Kind:
        rows = [each.kept() for each in samples.get(kind, [])]
        limit = int(getattr(stage, str(kind)))
        if rows and not limit:
            log.warning("%s: %d %ss are left out, because sample.%s is 0", source, len(rows), kind, kind)
        if not limit:
            continue
        if not rows:
            raise DataError(f"{source}: holds no {kind}s; set sample.{kind}: 0")
        if len(rows) > limit:
            log.warning("%s: the first %d of %d %ss are taken (sample.%s)", source, limit, len(rows), kind, kind)
        _write(rows[:limit], shards[kind], {"source": str(source), "kind": str(kind)})


def _write(rows: Sequence[Row], shards: Sequence[Path], provenance: dict[str, str]) -> None:
    for number, path in enumerate(shards):
        first, after = (len(rows) * edge // len(shards) for edge in (number, number + 1))
        write_systems(path, rows[first:after], metadata=provenance)
