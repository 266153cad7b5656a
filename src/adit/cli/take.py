"""Stage that takes samples made elsewhere."""

from __future__ import annotations

import argparse
from pathlib import Path

from adit import config
from adit.cli.parsing import Verbs, add_paths, add_refuse, add_workers
from adit.errors import ConfigError
from adit.outputs.replace import replaced_files
from adit.systems import Kind


def _take(args: argparse.Namespace) -> None:
    from adit.sample.take import take

    stage = config.load_stage(config.TakeStage, args.config)
    if stage.from_ is None:
        raise ConfigError("sample.from is empty; give a file or folder")
    source = Path(stage.from_)
    outs: list[Path] = [*args.crystal, *args.molecule, *args.mof]
    with replaced_files(outs, "take", inputs=[source]) as new:
        temporary = dict(zip(outs, new, strict=True))
        shards = {kind: [temporary[path] for path in getattr(args, str(kind))] for kind in Kind}
        take(stage, source, shards, args.workers, refuse=args.refuse_contradictions)


def register(verbs: Verbs) -> None:
    """Add the verbs of this room."""

    def declare(sub: argparse.ArgumentParser) -> None:
        add_paths(sub, "crystal", "molecule", "mof", many=True, required=False)
        add_refuse(sub)
        add_workers(sub)

    verbs.stage("take", _take, "take samples of another program (sample.from) into the shards of a run", declare)
