"""Verbs for a decision on candidates: dossiers, and whether a structure is known."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from adit import config
from adit.api.references import user_cache
from adit.cli.parsing import Verbs, add_paths, add_structures, add_workers, at_least_one, whole_config
from adit.errors import ConfigError
from adit.limits import set_limits
from adit.outputs.inputs import also_reads
from adit.outputs.replace import replaced_files
from adit.readers import by_kind, need_structures, read_structures, settings_of
from adit.systems import AtomicSystem, Failure

if TYPE_CHECKING:
    from adit.dossier.content import Subject


def _dossier(args: argparse.Namespace) -> None:
    from adit.dossier.subjects import of_files, of_run, references_of

    if bool(args.files) == (args.run is not None):
        raise ConfigError("adit dossier: give files, or --run with the folder of a run")
    whole = whole_config(args.config)
    reading = settings_of(whole.read, whole.limits, args.workers, refuse=args.refuse_contradictions)
    subjects, failures = of_files(args.files, reading) if args.files else (of_run(args.run, args.top), [])
    references = references_of(args.run) if args.run is not None and not args.reference else []
    if args.reference:
        rows = read_structures(args.reference, reading.needing_structures())
        need_structures(rows)
        references = [row.row for row in rows if isinstance(row.row, AtomicSystem)]
    table = args.hull or (None if args.run is None else _hull_of(args.run))
    _write_dossiers(subjects, failures, table, references, args, [*args.files, *args.reference])


def _dossiers_stage(args: argparse.Namespace) -> None:
    from adit.dossier.subjects import of_run, references_of

    stage = config.load_stage(config.ReportStage, args.config)
    set_limits(stage.limits)
    subjects = of_run(args.run, stage.report.dossiers)
    _write_dossiers(subjects, [], _hull_of(args.run), references_of(args.run), args, [])


def _hull_of(run: Path) -> Path | None:
    path = run / "hull/reference.parquet"
    return path if path.is_file() else None


def _write_dossiers(
    subjects: Sequence[Subject],
    failures: Sequence[Failure],
    table: Path | None,
    references: Sequence[AtomicSystem],
    args: argparse.Namespace,
    files: Sequence[Path],
) -> None:
    """Write the dossiers of subjects; ``files`` are inputs beside the table of the hull and the folder of the run."""
    from adit.dossier.decomposition import Phases
    from adit.dossier.subjects import READ, with_references
    from adit.dossier.write import write_dossiers

    inputs = [*files, *([table] if table else []), *([args.run / name for name in READ] if args.run else [])]
    phases = None if table is None else Phases.read(table)
    chosen = [with_references(subject, references) for subject in subjects]
    write_dossiers(chosen, failures, phases, args.out, inputs=inputs, workers=args.workers)


def _lookup(args: argparse.Namespace) -> None:
    from adit.known.lookup import look_up, places_of, write_lookup

    for out in args.out:
        if out.suffix not in (".csv", ".parquet"):
            raise ConfigError(f"--out {out}: name a .csv or a .parquet file")
    whole = whole_config(args.config)
    set_limits(whole.limits)
    named = {"providers": args.provider, "pubchem": args.pubchem, "references": args.reference, "rate": args.rate}
    chosen = {name: value for name, value in named.items() if value}
    values = whole.lookup.model_dump() | chosen
    settings = config.parse_as(config.LookupConfig, values, "adit known")
    if not settings.used:
        raise ConfigError("adit known: name where to look: --provider, --pubchem, --reference, or section lookup")
    reading = settings_of(whole.read, whole.limits, args.workers, refuse=args.refuse_contradictions)
    cache = args.cache or user_cache() / "known"
    with replaced_files(args.out, "known", inputs=[*args.files, *map(Path, settings.references)]) as new:
        rows = read_structures(args.files, reading)
        need_structures(rows)
        order = {each.row.system_id: number for number, each in enumerate(rows)}
        read = [each.row for kind in by_kind(rows, None).values() for each in kind]
        read.sort(key=lambda row: order[row.system_id])
        systems = [row for row in read if isinstance(row, AtomicSystem)]
        places = places_of(settings, whole.limits, cache, systems, reading)
        write_lookup(look_up(read, places, args.workers), new)


def _known_stage(args: argparse.Namespace) -> None:
    from dataclasses import replace

    from adit.known.lookup import look_up, places_of, write_lookup
    from adit.ledger.gather import best, gather

    stage = config.load_stage(config.KnownStage, args.config)
    set_limits(stage.limits)
    references = [Path(text) for text in stage.lookup.references]
    also_reads(references)
    reading = settings_of(stage.read, stage.limits, args.workers)
    inputs = [args.run / name for name in ("samples", "relaxed", "scores", "hull", "dft")]
    with replaced_files([args.out], "known", inputs=[*inputs, *references]) as new:
        chosen = best(gather(args.run), stage.lookup.top)
        systems = [replace(one.system, system_id=one.generated.system_id) for one in chosen]
        places = places_of(stage.lookup, stage.limits, args.cache, systems, reading)
        write_lookup(look_up(systems, places, args.workers), new)


def register(verbs: Verbs) -> None:
    """Add the verbs of this room."""
    verbs.add("known", _lookup, _declare_known)
    verbs.stage("known", _known_stage, _declare_known_stage)
    verbs.add("dossier", _dossier, _declare)
    verbs.stage("dossiers", _dossiers_stage, _declare_stage)


def _declare(sub: argparse.ArgumentParser) -> None:
    add_structures(sub, required=False)
    sub.add_argument("--run", type=Path, help="folder of a run, instead of files; default: none")
    sub.add_argument("--top", type=at_least_one, default=5, help="candidates of each kind of a run")
    text = "reference entries, as `adit stage reference` writes them; default: those of --run"
    sub.add_argument("--hull", type=Path, help=text)
    text = "known structures, for the nearest ones; default: the data of --run"
    sub.add_argument("--reference", type=Path, nargs="+", default=[], help=text)
    sub.add_argument("--out", type=Path, required=True, help="folder to write")
    add_workers(sub)


def _declare_stage(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "run", "out")
    add_workers(sub)


def _declare_known(sub: argparse.ArgumentParser) -> None:
    add_structures(sub)
    text = (
        "OPTIMADE providers to ask for crystals, e.g. https://HOST/PATH; default: lookup.providers of --config (none)"
    )
    sub.add_argument("--provider", metavar="URL", nargs="+", default=[], help=text)
    text = "address of PubChem's PUG REST, to ask for molecules; default: lookup.pubchem of --config (none)"
    sub.add_argument("--pubchem", metavar="URL", help=text)
    text = "files of known structures, without a network; default: lookup.references of --config (none)"
    sub.add_argument("--reference", metavar="FILE", nargs="+", default=[], help=text)
    text = "queries of one server, 1/s; default: lookup.rate of --config"
    sub.add_argument("--rate", metavar="RATE", type=float, help=text)
    text = "table to write, .csv or .parquet; both may be named"
    sub.add_argument("--out", metavar="FILE", type=Path, nargs="+", default=[Path("known.csv")], help=text)
    text = "folder of the answers of servers; default: $XDG_CACHE_HOME/adit/known or ~/.cache/adit/known"
    sub.add_argument("--cache", type=Path, help=text)
    add_workers(sub)


def _declare_known_stage(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "run", "out", "cache")
    add_workers(sub)
