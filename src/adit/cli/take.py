"""Verb that takes samples made elsewhere."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from adit import config
from adit.cli.parsing import Verbs, add_paths, add_refuse, add_workers
from adit.errors import ConfigError, DataError
from adit.outputs.replace import replaced_files
from adit.progress import log
from adit.store import Row, write_systems
from adit.systems import Kind


def _take(args: argparse.Namespace) -> None:
    stage = config.load_stage(config.TakeStage, args.config)
    if stage.from_ is None:
        raise ConfigError("sample.from names no samples; give a file or folder")
    source = Path(stage.from_)
    shards: list[Path] = [*args.crystal, *args.molecule, *args.mof]
    with replaced_files(shards, "take", inputs=[source]) as new:
        _take_into(dict(zip(shards, new, strict=True)), source, stage, args)


def _take_into(new: Mapping[Path, Path], source: Path, stage: config.TakeStage, args: argparse.Namespace) -> None:
    """Read the samples and write the shards of every kind."""
    from adit.readers import by_kind, read_structures, settings_of

    reading = settings_of(stage.read, stage.limits, args.workers, refuse=args.refuse_contradictions)
    samples = by_kind(read_structures([source], reading), None)
    for kind in Kind:
        shards = [new[path] for path in getattr(args, str(kind))]
        rows = [each.kept() for each in samples.get(kind, [])]
        asked = int(getattr(stage, str(kind)))
        if rows and not asked:
            log.warning("%s: %d %ss are left out, for sample.%s is 0", source, len(rows), kind, kind)
        if not asked:
            continue
        if not rows:
            raise DataError(f"{source}: holds no {kind}s; set sample.{kind}: 0")
        if len(rows) > asked:
            log.warning("%s: the first %d of %d %ss are taken (sample.%s)", source, asked, len(rows), kind, kind)
        _write(rows[:asked], shards, {"source": str(source), "kind": str(kind)})


def _write(rows: Sequence[Row], shards: Sequence[Path], provenance: dict[str, str]) -> None:
    for number, path in enumerate(shards):
        first, after = (len(rows) * edge // len(shards) for edge in (number, number + 1))
        write_systems(path, rows[first:after], metadata=provenance)


def register(verbs: Verbs) -> None:
    """Add the verbs of this room."""

    def declare(sub: argparse.ArgumentParser) -> None:
        add_paths(sub, "crystal", "molecule", "mof", many=True, required=False)
        add_refuse(sub)
        add_workers(sub)

    verbs.stage("take", _take, "take samples made elsewhere (sample.from) into the shards of a run", declare)
