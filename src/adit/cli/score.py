"""Verbs of scores."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adit import config
from adit.api.references import user_cache
from adit.cli.parsing import Verbs, add_paths, add_refuse, add_workers, at_least_one, whole_config
from adit.columns import REQUESTED_PROTOCOLS, Protocol
from adit.errors import DataError, printable
from adit.isolate import worker_memory
from adit.limits import set_limits
from adit.outputs.replace import replaced_files
from adit.progress import log
from adit.store import read_systems
from adit.systems import Kind


def _score(args: argparse.Namespace) -> None:
    whole = whole_config(args.config)
    set_limits(whole.limits)
    with worker_memory(whole.limits.worker_bytes):
        _score_files(args, whole)


def _score_stage(args: argparse.Namespace) -> None:
    from adit.score.score import score

    samples = {"crystal": args.crystal, "molecule": args.molecule, "mof": args.mof}
    of_kinds = {kind: paths for kind, paths in samples.items() if paths}
    stage = config.load_stage(config.ScoreStage, args.config)
    cache = args.cache or args.out.parent / "state" / "score"
    tables = (args.relaxed, args.hull, args.dft)
    set_limits(stage.limits)
    with worker_memory(stage.limits.worker_bytes):
        score(stage, of_kinds, args.data, *tables, args.out, args.workers, cache, args.checks, args.judge)


def _checks(args: argparse.Namespace) -> None:
    from adit.score.shard_checks import check_shard

    stage = config.load_stage(config.ChecksStage, args.config)
    with replaced_files([args.out], "checks", inputs=[*args.samples, args.shard]) as (new,):
        check_shard(stage, Kind(args.kind), args.samples, args.shard, new, args.workers)


def _score_files(args: argparse.Namespace, whole: config.Config) -> None:
    from adit.readers import settings_of
    from adit.report.page.build import report
    from adit.score.standalone import Given, score_files

    out = args.out
    kind = None if args.kind is None else Kind(args.kind)
    relaxed = [path / "relaxed.parquet" if path.is_dir() else path for path in args.relaxed]
    given = Given(kind, args.reference, relaxed, args.hull, args.dft)
    stage = whole.stage(config.ScoreStage)
    cache = args.cache or user_cache()
    workers = args.workers or len(os.sched_getaffinity(0))
    reading = settings_of(whole.read, whole.limits, workers, refuse=args.refuse_contradictions)
    score_files(stage, args.files, given, out, workers=workers, cache=cache, protocols=args.protocol, reading=reading)
    title = f"Scores of {', '.join(printable(path.name) for path in args.files[:9])}"[:120]
    page = whole.stage(config.ReportStage)
    page = page.model_copy(update={"name": out.name, "report": page.report.model_copy(update={"title": title})})
    settings = {"score": stage.score.model_dump(mode="json"), "sample": _made_with(args.files)}
    report(page, out, out / "report", json.dumps(settings))
    log.info("scores: %s; page: %s", out / "scores", out / "report" / "index.html")


def _made_with(files: Sequence[Path]) -> dict[str, Any]:
    """Return the sampling settings of samples of this package, as in the section ``sample``."""
    by_kind, conditions = {}, {}
    for path in files:
        description: dict[str, Any] = {}
        if path.suffix == ".arrow":
            with contextlib.suppress(DataError):  # it is a row with its reason already
                description = read_systems(path).metadata
        if "kind" in description and "solver" in description:
            by_kind[description["kind"]] = {
                name: description[name] for name in config.OF_ONE_KIND if name in description
            }
            conditions[description["kind"]] = description.get("conditions", {})
    return {"by_kind": by_kind, "conditions": conditions}


def _protocols(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in REQUESTED_PROTOCOLS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"'{text}': known protocols are {', '.join(REQUESTED_PROTOCOLS)}")
    return names


def _export(args: argparse.Namespace) -> None:
    from adit.readers import need_structures, read_structures, settings_of
    from adit.score.export import check_suffix, export_lemat

    check_suffix(args.out)
    whole = whole_config(args.config)
    set_limits(whole.limits)
    reading = settings_of(whole.read, whole.limits, args.workers, refuse=args.refuse_contradictions)
    with worker_memory(whole.limits.worker_bytes), replaced_files([args.out], "export", inputs=args.files) as (new,):
        rows = read_structures(args.files, reading)
        need_structures(rows)
        export_lemat(rows, new)


def _reconstruct(args: argparse.Namespace) -> None:
    from adit.sample.reconstruct import reconstruct
    from adit.score.reconstruction import score_reconstruction

    outs = [args.out.with_suffix(suffix) for suffix in (".arrow", ".csv", ".json")]
    with replaced_files(outs, "reconstruct", inputs=[args.vae, args.data]) as (comparison_file, _, summary):
        reconstruct(args.vae, args.data, args.split, args.limit, comparison_file)
        score_reconstruction(args.data, args.split, comparison_file, summary, args.workers)


def register(verbs: Verbs) -> None:
    """Add the verbs of this room."""
    verbs.both("reconstruct", _reconstruct, _declare_reconstruct, needs_config=False)
    verbs.stage("checks", _checks, _declare_checks)
    verbs.add("score", _score, _declare_score)
    verbs.add("export", _export, _declare_export)
    verbs.stage("score", _score_stage, _declare_score_stage)


def _declare_reconstruct(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "vae", "data", "out")
    sub.add_argument("--split", default="test", choices=("train", "val", "test"), help="split of the data")
    sub.add_argument("--limit", type=at_least_one, help="number of systems, from the first; default: all")
    add_workers(sub)


def _declare_checks(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--kind", required=True, choices=["molecule", "mof"], help="kind of the samples")
    add_paths(sub, "samples", many=True)
    add_paths(sub, "shard", "out")
    add_workers(sub)


def _declare_score(sub: argparse.ArgumentParser) -> None:
    text = (
        "CIF, XYZ, extended XYZ, SDF, POSCAR, pymatgen JSON, CSV or Parquet with a column of structures, .gz of each, "
        "folders, zip and tar archives, or this package's .arrow"
    )
    sub.add_argument("files", metavar="SAMPLES", type=Path, nargs="+", help=text)
    text = (
        "reference for novelty, distances and control rows: data/<dataset>.arrow of adit prepare, or any "
        "structures; default: none, without these scores"
    )
    sub.add_argument("--reference", type=Path, nargs="+", default=[], help=text)
    text = f"of {','.join(REQUESTED_PROTOCOLS)}; default: all"
    sub.add_argument("--protocol", type=_protocols, default=list(REQUESTED_PROTOCOLS), help=text)
    sub.add_argument("--kind", choices=[str(kind) for kind in Kind], help="kind of all samples; default: detected")
    add_refuse(sub)
    add_paths(sub, "relaxed", "dft", many=True, required=False)
    add_paths(sub, "hull", required=False)
    sub.add_argument("--out", type=Path, default=Path("scores"), help="folder to write")
    text = "cache folder for results that depend only on the reference; default: $XDG_CACHE_HOME/adit or ~/.cache/adit"
    sub.add_argument("--cache", type=Path, help=text)
    sub.add_argument("--workers", type=at_least_one, help="processes; default: all cores")


def _declare_export(sub: argparse.ArgumentParser) -> None:
    text = "samples in any format of adit score, or folders with samples"
    sub.add_argument("files", metavar="SAMPLES", type=Path, nargs="+", help=text)
    add_refuse(sub)
    text = "whose form"
    sub.add_argument("--protocol", choices=[str(Protocol.LEMAT)], default=str(Protocol.LEMAT), help=text)
    text = "file to write: .csv, a table of structures, or .zip, an archive of CIF files"
    sub.add_argument("--out", type=Path, required=True, help=text)
    add_workers(sub, "processes that read")


def _declare_score_stage(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "crystal", "molecule", "mof", "data", "relaxed", "dft", "checks", many=True, required=False)
    add_paths(sub, "hull", "judge", required=False)
    add_paths(sub, "out")
    sub.add_argument("--cache", type=Path, help="cache folder for the control rows; default: state/score beside --out")
    add_workers(sub)
