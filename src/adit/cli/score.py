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
from adit.cli.parsing import Verbs, add_paths, add_refuse, at_least_one, whole_config
from adit.errors import ConfigError, DataError, printable
from adit.isolate import worker_memory
from adit.outputs.replace import replaced_files
from adit.progress import log
from adit.store import read_systems
from adit.systems import Kind

PROTOCOLS = ("adit", "flowmm", "mattergen", "lemat", "strict")


def _score(args: argparse.Namespace) -> None:
    if args.files:
        whole = whole_config(args.config)
        with worker_memory(whole.limits.worker_bytes):
            _score_files(args, whole)
        return
    from adit.score.score import score

    if args.out is None:
        raise ConfigError("adit score: give files, or --out and the options of a run (adit score --help)")
    samples = {"crystal": args.crystal, "molecule": args.molecule, "mof": args.mof}
    asked = {kind: paths for kind, paths in samples.items() if paths}
    stage = config.load_stage(config.ScoreStage, args.config)
    with worker_memory(stage.limits.worker_bytes):
        score(
            stage,
            asked,
            args.data,
            args.relaxed,
            args.hull,
            args.dft,
            args.out,
            args.workers or 1,
            args.cache or args.out.parent / "state" / "score",
            args.checks,
        )


def _checks(args: argparse.Namespace) -> None:
    from adit.score.shard_checks import check_shard

    stage = config.load_stage(config.ChecksStage, args.config)
    with replaced_files([args.out], "checks", inputs=[*args.samples, args.shard]) as (new,):
        check_shard(stage, Kind(args.kind), args.samples, args.shard, new, args.workers)


def _score_files(args: argparse.Namespace, whole: config.Config) -> None:
    from adit.readers import settings_of
    from adit.report.page.build import report
    from adit.score.standalone import Given, score_files

    out = args.out or Path("scores")
    kind = None if args.kind is None else Kind(args.kind)
    relaxed = [path / "relaxed.parquet" if path.is_dir() else path for path in args.relaxed]
    given = Given(kind, [*args.reference, *args.data], relaxed, args.hull, args.dft)
    stage = whole.stage(config.ScoreStage)
    cache = args.cache or user_cache()
    workers = args.workers or len(os.sched_getaffinity(0))
    reading = settings_of(whole.read, whole.limits, workers, refuse=args.refuse_contradictions)
    score_files(stage, args.files, given, out, workers=workers, cache=cache, protocols=args.protocol, reading=reading)
    title = f"Scores of {', '.join(printable(path.name) for path in args.files[:9])}"[:120]
    page = whole.stage(config.ReportStage)
    page = page.model_copy(update={"name": out.name, "report": page.report.model_copy(update={"title": title})})
    known = {"score": stage.score.model_dump(mode="json"), "sample": _made_with(args.files)}
    report(page, out, out / "report", json.dumps(known))
    log.info("scores: %s; page: %s", out / "scores", out / "report" / "index.html")


def _made_with(files: Sequence[Path]) -> dict[str, Any]:
    """Return the settings that samples of this package were made with, as section ``sample`` has them."""
    by_kind, conditions = {}, {}
    for path in files:
        told: dict[str, Any] = {}
        if path.suffix == ".arrow":
            with contextlib.suppress(DataError):  # it is a row with its reason already
                told = read_systems(path).metadata
        if "kind" in told and "solver" in told:
            by_kind[told["kind"]] = {name: told[name] for name in config.OF_ONE_KIND if name in told}
            conditions[told["kind"]] = told.get("conditions", {})
    return {"by_kind": by_kind, "conditions": conditions}


def user_cache() -> Path:
    """Return the folder for what depends on a reference alone: ``$XDG_CACHE_HOME/adit``, else ``~/.cache/adit``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "adit"


def _protocols(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in PROTOCOLS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"'{text}': known protocols are {', '.join(PROTOCOLS)}")
    return names


def _reconstruct(args: argparse.Namespace) -> None:
    from adit.sample.reconstruct import reconstruct
    from adit.score.reconstruction import score_reconstruction

    outs = [args.out.with_suffix(suffix) for suffix in (".arrow", ".csv", ".json")]
    with replaced_files(outs, "reconstruct", inputs=[args.vae, args.data]) as (made, _, summary):
        reconstruct(args.vae, args.data, args.split, args.limit, made)
        score_reconstruction(args.data, args.split, made, summary, args.workers)


def register(verbs: Verbs) -> None:
    """Add the verbs of this room."""
    text = "measure the autoencoder: match rate and RMSD of a split, encoded and decoded"
    sub = verbs.add("reconstruct", _reconstruct, text, needs_config=False)
    add_paths(sub, "vae", "data", "out")
    sub.add_argument("--split", default="test", choices=("train", "val", "test"))
    sub.add_argument("--limit", type=at_least_one, default=None, help="the first so many systems")
    sub.add_argument("--workers", type=at_least_one, default=1, help="processes")

    text = "the slow checks of one shard of samples (PoseBusters, xTB, MOFChecker), for the scores to take"
    sub = verbs.add("checks", _checks, text)
    sub.add_argument("--kind", required=True, choices=["molecule", "mof"])
    add_paths(sub, "samples", many=True)
    add_paths(sub, "shard", "out")
    sub.add_argument("--workers", type=at_least_one, default=1, help="processes")

    text = "score the samples of a run, or anyone's (adit score SAMPLES --reference REF), with control rows"
    sub = verbs.add("score", _score, text)
    sub.add_argument(
        "files",
        metavar="SAMPLES",
        type=Path,
        nargs="*",
        help="CIF, XYZ, extended XYZ, SDF, POSCAR, pymatgen JSON, CSV or Parquet with a column of structures, .gz of "
        "each, folders, zip and tar archives, or this package's .arrow",
    )
    sub.add_argument(
        "--reference",
        type=Path,
        nargs="+",
        default=[],
        help="what novelty, distances and control rows rest on: data/<dataset>.arrow of adit prepare, or any samples",
    )
    sub.add_argument(
        "--protocol", type=_protocols, default=list(PROTOCOLS), help=f"of {','.join(PROTOCOLS)}; default: all"
    )
    sub.add_argument("--kind", choices=[str(kind) for kind in Kind], help="of all samples; default: recognised")
    add_refuse(sub)
    add_paths(sub, "crystal", "molecule", "mof", "data", "relaxed", "dft", "checks", many=True, required=False)
    add_paths(sub, "hull", "out", "cache", required=False)
    sub.add_argument("--workers", type=at_least_one, default=None, help="processes; default: all cores")
