"""Verbs of the data room."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from adit import config
from adit.cli.parsing import Verbs, add_paths, at_least_one, whole_config
from adit.errors import ConfigError
from adit.outputs.replace import replaced_files

MIRROR_VARIABLE = "ADIT_MIRROR"
"""Set by the workflow: where raw files are looked for is no part of what a stage makes."""


def mirror_of(args: argparse.Namespace, default: str | None = None) -> str | None:
    """Return the mirror: the option, else the environment, else ``default``."""
    return args.mirror or os.environ.get(MIRROR_VARIABLE) or default


def _prepare(args: argparse.Namespace) -> None:
    if args.config.lstrip().startswith("{"):
        stage = config.load_stage(config.PrepareStage, args.config)
        _prepare_one(args, stage, args.out, mirror_of(args))
        return
    whole = whole_config(args.config)
    names = args.dataset or [d.name for d in whole.data.datasets]
    known = [*config.DATASETS, *whole.data.custom]
    for name in names:
        if name not in known:
            raise ConfigError(f"--dataset {name}: no such dataset; known: {', '.join(known)}")
    one_file = args.out.suffix == ".arrow"
    if one_file and len(names) > 1:
        raise ConfigError(f"--out {args.out}: is one file for {len(names)} datasets; give a folder")
    for name in names:
        out = args.out if one_file else args.out / f"{name}.arrow"
        stage = whole.stage(config.PrepareStage, dataset=whole.data.chosen(name), custom=whole.data.custom.get(name))
        _prepare_one(args, stage, out, mirror_of(args, whole.mirror))


def _prepare_one(args: argparse.Namespace, stage: config.PrepareStage, out: Path, mirror: str | None) -> None:
    """Prepare one dataset into its two files; the datasets of a call never share a folder of shards."""
    from adit.data.prepare.stage import prepare

    state = args.state or out.parent / f".{out.name}.shards"
    own = [Path(stage.custom.path)] if stage.custom is not None else []
    with replaced_files([out, _stats(args, out)], "prepare", inputs=own) as (systems, stats):
        prepare(stage, systems, stats, mirror=mirror, state=state, workers=args.workers)


def _stats(args: argparse.Namespace, out: Path) -> Path:
    stats: Path = args.stats or out.with_suffix(".stats.json")
    return stats


def _fetch(args: argparse.Namespace) -> None:
    from adit.data.sources import fetch
    from adit.data.sources.registry import SOURCES
    from adit.progress import log

    if args.list:
        for line in fetch.listing():
            log.info("%s", line)
        return
    whole = whole_config(args.config)
    named = args.dataset or [d.name for d in whole.data.datasets if d.name in SOURCES]
    fetch.fetch_all(list(SOURCES) if args.all else named, mirror_of(args, whole.mirror))


def _labels(args: argparse.Namespace) -> None:
    from adit.labels.table import SUFFIX, write_gaps

    stage = config.load_stage(config.LabelsStage, args.config)
    if not stage.labels.gaps:
        raise ConfigError("labels.gaps is 0, nothing is computed; say of how many molecules, e.g. 20000")
    out = args.out or args.data.with_suffix(SUFFIX)
    state = args.state or out.parent / f".{out.name}.parts"
    with replaced_files([out], "labels", inputs=[args.data]) as (new,):
        write_gaps(stage, args.data, new, workers=args.workers, state=state)


def register(verbs: Verbs) -> None:
    """Add the verbs of this room."""
    sub = verbs.add("fetch", _fetch, "download the public files of a configuration, or of named sources")
    sub.add_argument("--dataset", nargs="+", default=[], help="sources by name (see --list)")
    sub.add_argument("--mirror", help="folder or URL with copies, tried first")
    sub.add_argument("--all", action="store_true", help="every source")
    sub.add_argument("--list", action="store_true", help="say what there is, and download nothing")

    sub = verbs.add("prepare", _prepare, "read datasets and write normalised systems with their splits")
    sub.add_argument("--dataset", nargs="+", default=[], help="names; those of the configuration by default")
    add_paths(sub, "out")
    add_paths(sub, "stats", "state", required=False)
    sub.add_argument("--mirror", help="folder or URL with copies of the raw files, tried first")
    sub.add_argument("--workers", type=at_least_one, default=1, help="processes")

    sub = verbs.add("labels", _labels, "compute the label homo_lumo_gap of training molecules with GFN2-xTB")
    add_paths(sub, "data")
    add_paths(sub, "out", "state", required=False)
    sub.add_argument("--workers", type=at_least_one, default=1, help="processes")
