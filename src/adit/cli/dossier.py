"""Verb of dossiers: all that is needed to decide on a candidate, as pages and folders."""

from __future__ import annotations

import argparse
from pathlib import Path

from adit.cli.parsing import Verbs, add_refuse, add_workers, at_least_one, whole_config
from adit.errors import ConfigError


def _dossier(args: argparse.Namespace) -> None:
    from adit.dossier.decomposition import Phases
    from adit.dossier.subjects import READ, of_files, of_run, references_of, with_references
    from adit.dossier.write import write
    from adit.readers import read_structures, settings_of
    from adit.systems import AtomicSystem

    if bool(args.files) == (args.run is not None):
        raise ConfigError("adit dossier: give files, or --run with the folder of a run")
    whole = whole_config(args.config)
    reading = settings_of(whole.read, whole.limits, args.workers, refuse=args.refuse_contradictions)
    subjects, failures = of_files(args.files, reading) if args.files else (of_run(args.run, args.top), [])
    table = args.hull
    if args.run is not None and table is None and (args.run / "hull/reference.parquet").is_file():
        table = args.run / "hull/reference.parquet"
    phases = None if table is None else Phases.read(table)
    if args.reference:
        read = [row.row for row in read_structures(args.reference, reading)]
        references = [row for row in read if isinstance(row, AtomicSystem)]
    else:
        references = [] if args.run is None else references_of(args.run)
    subjects = [with_references(subject, references) for subject in subjects]
    inputs = [*args.files, *args.reference, *([table] if table else [])]
    if args.run is not None:
        inputs += [args.run / name for name in READ]
    write(subjects, failures, phases, args.out, inputs=inputs, workers=args.workers)


def register(verbs: Verbs) -> None:
    """Add the verb of this room."""
    text = "write a dossier of each structure, or of the best candidates of a run: page and folder, offline"
    verbs.add("dossier", _dossier, text, _declare)


def _declare(sub: argparse.ArgumentParser) -> None:
    text = "structures in any format of adit score, or folders with structures"
    sub.add_argument("files", metavar="FILE", type=Path, nargs="*", help=text)
    add_refuse(sub)
    sub.add_argument("--run", type=Path, help="folder of a run, instead of files; default: none")
    sub.add_argument("--top", type=at_least_one, default=5, help="candidates of each kind of a run")
    text = "reference entries, as adit reference writes them; default: those of --run"
    sub.add_argument("--hull", type=Path, help=text)
    text = "known structures, for the nearest ones; default: the data of --run"
    sub.add_argument("--reference", type=Path, nargs="+", default=[], help=text)
    sub.add_argument("--out", type=Path, required=True, help="folder to write")
    add_workers(sub)
