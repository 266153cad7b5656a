"""Verbs of the data room."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import Any

from adit import config
from adit.cli.parsing import Verbs, add_paths, add_refuse, add_workers, whole_config
from adit.errors import ConfigError
from adit.outputs.check import check_is_below_folders, check_is_folder
from adit.outputs.replace import replaced_files

MIRROR_VARIABLE = "ADIT_MIRROR"
"""Environment variable with the mirror, set by the workflow; the mirror does not change the result of a stage."""


def mirror_of(args: argparse.Namespace, default: str | None = None) -> str | None:
    """Return the mirror (folder or URL) from the option, the environment, or ``default``, in this order."""
    return args.mirror or os.environ.get(MIRROR_VARIABLE) or default


def _prepare_stage(args: argparse.Namespace) -> None:
    _prepare_one(args, config.load_stage(config.PrepareStage, args.config), args.out, mirror_of(args))


def _prepare(args: argparse.Namespace) -> None:
    whole = whole_config(args.config)
    if args.refuse_contradictions:
        whole = whole.model_copy(update={"read": whole.read.model_copy(update={"refuse_contradictions": True})})
    if args.file is not None:
        _prepare_file(args, whole)
        return
    names = args.dataset or [d.name for d in whole.data.datasets]
    dataset_names = [*config.DATASETS, *whole.data.custom]
    for name in names:
        if name not in dataset_names:
            raise ConfigError(f"--dataset {name}: no such dataset; known: {', '.join(dataset_names)}")
    one_file = args.out.suffix == ".arrow"
    if one_file and len(names) > 1:
        raise ConfigError(f"--out {args.out}: is one file for {len(names)} datasets; give a folder")
    for name in names:
        out = args.out if one_file else args.out / f"{name}.arrow"
        stage = whole.stage(config.PrepareStage, dataset=whole.data.chosen(name), custom=whole.data.custom.get(name))
        _prepare_one(args, stage, out, mirror_of(args, whole.mirror))


def _prepare_one(args: argparse.Namespace, stage: config.PrepareStage, out: Path, mirror: str | None) -> None:
    """Prepare one dataset; each dataset of a call has its own folder of shards."""
    from adit.data.prepare.stage import prepare
    from adit.data.sources.registry import SOURCES

    check_is_below_folders(out)
    state = args.state or out.parent / f".{out.name}.shards"
    own = [Path(stage.custom.path)] if stage.custom is not None else []
    if mirror is not None:
        own += [Path(mirror) / file.name for layout in SOURCES.get(stage.dataset.name, ()) for file in layout]
    with replaced_files([out, _stats(args, out)], "prepare", inputs=own) as (systems, stats):
        prepare(stage, systems, stats, mirror=mirror, state=state, workers=args.workers)


def _prepare_file(args: argparse.Namespace, whole: config.Config) -> None:
    """Prepare a user's file, folder or archive, without a description in the configuration."""
    if args.dataset:
        raise ConfigError("adit prepare: give a file or --dataset, not both")
    if args.out.suffix != ".arrow":
        check_is_folder(args.out)
    name = re.sub(r"[^a-z0-9]+", "-", args.file.name.split(".")[0].lower()).strip("-") or "own"
    values: dict[str, Any] = {
        "path": str(args.file),
        "kind": args.kind or _kind_of(args.file, whole, args.workers),
        "id": args.id,
        "properties": args.properties,
    }
    if args.split_column is not None:
        values["split"] = {"by": "column", "column": args.split_column}
    own = config.parse_as(config.CustomDataset, values, "adit prepare")
    out = args.out if args.out.suffix == ".arrow" else args.out / f"{name}.arrow"
    chosen = config.ChosenDataset(name=name if name not in config.DATASETS else f"own-{name}")
    stage = whole.stage(config.PrepareStage, dataset=chosen, custom=own)
    _prepare_one(args, stage, out, None)


def _kind_of(file: Path, whole: config.Config, workers: int) -> str:
    """Return the kind of most structures of a file."""
    from adit.readers import by_kind, read_structures, settings_of

    rows = by_kind(read_structures([file], settings_of(whole.read, whole.limits, workers)), None)
    return str(max(rows, key=lambda kind: len(rows[kind])))


def _stats(args: argparse.Namespace, out: Path) -> Path:
    stats: Path = getattr(args, "stats", None) or out.with_suffix(".stats.json")
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
    fetch.fetch_all(list(SOURCES) if args.all else named, mirror_of(args, whole.mirror), whole.limits)


def _labels(args: argparse.Namespace) -> None:
    from adit.labels.table import SUFFIX, write_gaps

    stage = config.load_stage(config.LabelsStage, args.config)
    if not stage.labels.gaps:
        raise ConfigError("labels.gaps is 0, nothing is computed; set a number of molecules, e.g. 20000")
    out = args.out or args.data.with_suffix(SUFFIX)
    state = args.state or out.parent / f".{out.name}.parts"
    with replaced_files([out], "labels", inputs=[args.data]) as (new,):
        write_gaps(stage, args.data, new, workers=args.workers, state=state)


def register(verbs: Verbs) -> None:
    """Add the verbs of this room."""
    verbs.add("fetch", _fetch, _declare_fetch)
    verbs.add("prepare", _prepare, _declare_prepare)
    verbs.stage("prepare", _prepare_stage, _declare_prepare_stage)
    verbs.both("labels", _labels, _declare_labels)


def _declare_fetch(sub: argparse.ArgumentParser) -> None:
    text = "sources by name (see --list); default: those of --config"
    sub.add_argument("--dataset", nargs="+", default=[], help=text)
    _add_mirror(sub)
    sub.add_argument("--all", action="store_true", help="all sources")
    sub.add_argument("--list", action="store_true", help="list the sources without downloading")


def _declare_prepare(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("file", metavar="FILE", type=Path, nargs="?", help="your own file, folder or archive")
    sub.add_argument(
        "--kind", choices=("crystal", "molecule", "mof"), help="kind of the systems in FILE; default: detected"
    )
    sub.add_argument("--id", help="column or key of FILE with the ids; default: detected")
    text = "columns or keys of FILE to keep as labels; default: none"
    sub.add_argument("--properties", nargs="+", default=[], help=text)
    text = "column or key of FILE with train, val or test; default: split by formula"
    sub.add_argument("--split-column", help=text)
    add_refuse(sub)
    sub.add_argument("--dataset", nargs="+", default=[], help="names; default: those of --config")
    add_paths(sub, "out")
    add_paths(sub, "state", required=False, default="a hidden folder beside --out")
    _add_mirror(sub)
    add_workers(sub)


def _declare_prepare_stage(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "out")
    add_paths(sub, "stats", required=False, default="beside --out")
    add_paths(sub, "state", required=False, default="a hidden folder beside --out")
    _add_mirror(sub)
    add_workers(sub)


def _declare_labels(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "data")
    add_paths(sub, "out", required=False, default="beside --data")
    add_paths(sub, "state", required=False, default="a hidden folder beside --out")
    add_workers(sub)


def _add_mirror(sub: argparse.ArgumentParser) -> None:
    text = "folder or URL with copies of the public files, used first; default: mirror of --config"
    sub.add_argument("--mirror", help=text)
