"""The command line: one verb a stage; parses, calls, and turns errors into one line and an exit code."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from adit import __version__, config
from adit.errors import AditError, from_os_error
from adit.progress import log, setup

Handler = Callable[[argparse.Namespace], None]

PARENT_VARIABLE = "ADIT_PARENT_PID"
"""Set by the workflow: a stage ends when the workflow that started it is gone (killed), so that none is orphaned."""


def _prepare(args: argparse.Namespace) -> None:
    from adit.data.prepare import prepare

    if args.config.lstrip().startswith("{"):
        stage = config.load_stage(config.PrepareStage, args.config)
    else:
        chosen = config.load(args.config)
        entry = next((d for d in chosen.data.datasets if d.name == args.dataset), None)
        dataset = entry or config.parse_as(config.DatasetConfig, {"name": args.dataset}, "--dataset")
        stage = chosen.stage(config.PrepareStage, dataset=dataset)
    prepare(stage, args.out, args.stats)


def _vae(args: argparse.Namespace) -> None:
    from adit.train.vae import train_vae

    train_vae(config.load_stage(config.VaeStage, args.config), args.data, args.out, args.state)


def _encode(args: argparse.Namespace) -> None:
    from adit.train.latents import encode

    encode(config.load_stage(config.EncodeStage, args.config), args.vae, args.data, args.out)


def _dit(args: argparse.Namespace) -> None:
    from adit.train.dit import train_dit

    stage = config.load_stage(config.DitStage, args.config)
    train_dit(stage, args.vae, args.data, args.latents, args.out, args.state)


def _sample(args: argparse.Namespace) -> None:
    from adit.sample.generate import sample_shard
    from adit.systems import Kind

    stage = config.load_stage(config.SampleStage, args.config)
    sample_shard(stage, args.vae, args.dit, Kind(args.kind), args.shard, args.out)


def _relax(args: argparse.Namespace) -> None:
    from adit.relax.prerelax import prerelax

    stage = config.load_stage(config.RelaxStage, args.config)
    prerelax(stage, args.samples, args.out, args.structures, args.extxyz, args.workers, args.cache)


def _reference(args: argparse.Namespace) -> None:
    from adit.relax.reference import reference

    reference(config.load_stage(config.ReferenceStage, args.config), args.data, args.out, args.cache, args.workers)


def _hull(args: argparse.Namespace) -> None:
    from adit.score.hull import hull

    hull(config.load_stage(config.HullStage, args.config), args.relaxed, args.reference, args.out)


def _select(args: argparse.Namespace) -> None:
    from adit.relax.select import select

    select(config.load_stage(config.SelectStage, args.config), args.relaxed, args.hull, args.out)


def _dft(args: argparse.Namespace) -> None:
    from adit.relax.dft import run_dft

    run_dft(
        config.load_stage(config.DftStage, args.config),
        args.selected,
        args.relaxed,
        args.shard,
        args.folder,
        args.out,
        args.structures,
        args.workers,
        args.settings,
    )


def _score(args: argparse.Namespace) -> None:
    from adit.score.score import score

    samples = {"crystal": args.crystal, "molecule": args.molecule, "mof": args.mof}
    asked = {kind: paths for kind, paths in samples.items() if paths}
    stage = config.load_stage(config.ScoreStage, args.config)
    score(stage, asked, args.data, args.relaxed, args.hull, args.dft, args.out, args.workers)


def _report(args: argparse.Namespace) -> None:
    from adit.report.build import report

    report(config.load_stage(config.ReportStage, args.config), args.run, args.out, args.run_config)


def _check(args: argparse.Namespace) -> None:
    overrides = {"mirror": args.mirror} if args.mirror else {}
    checked = config.load(args.config, overrides)
    log.info("%s is valid: run '%s', results in %s", args.config, checked.name, Path(checked.results) / checked.name)


def _schema(args: argparse.Namespace) -> None:
    from adit.store import write_json

    write_json(args.out, config.json_schema())


def _folder(text: str) -> Path:
    return Path(text)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(prog="adit", description=__doc__.splitlines()[0] if __doc__ else None)
    top.add_argument("--version", action="version", version=__version__)
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, handler: Handler, text: str, *, needs_config: bool = True) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text)
        if needs_config:
            sub.add_argument("--config", default="config/config.yaml", help="YAML file, or the stage's slice as JSON")
        sub.add_argument("--log", type=Path, help="write messages to this file too")
        sub.set_defaults(handler=handler)
        return sub

    def paths(sub: argparse.ArgumentParser, *names: str, many: bool = False, required: bool = True) -> None:
        for name in names:
            if many:
                sub.add_argument(
                    f"--{name}", type=Path, nargs="*" if not required else "+", default=[], required=required
                )
            else:
                sub.add_argument(f"--{name}", type=Path, required=required)

    sub = verb("prepare", _prepare, "read one dataset and write normalised systems with their splits")
    sub.add_argument("--dataset", default="builtin-crystals", help="name, where --config is a file")
    paths(sub, "out", "stats")

    sub = verb("vae", _vae, "train the autoencoder")
    paths(sub, "data", many=True)
    paths(sub, "out", "state")

    sub = verb("encode", _encode, "cache augmented encodings of a dataset")
    paths(sub, "vae", "data")
    paths(sub, "out", many=True)

    sub = verb("dit", _dit, "train the denoiser on latents")
    paths(sub, "vae")
    paths(sub, "data", many=True)
    paths(sub, "latents", many=True, required=False)
    paths(sub, "out", "state")

    sub = verb("sample", _sample, "generate one shard of samples of one kind")
    paths(sub, "vae", "dit", "out")
    sub.add_argument("--kind", choices=("crystal", "molecule", "mof"), required=True)
    sub.add_argument("--shard", type=int, default=0)

    sub = verb("relax", _relax, "pre-relax one shard of periodic samples")
    paths(sub, "samples", "out", "structures", "extxyz")
    paths(sub, "cache", required=False)
    sub.add_argument("--workers", type=int, default=1, help="processes")

    sub = verb("reference", _reference, "compute or read the reference energies of the hull")
    paths(sub, "data", many=True, required=False)
    paths(sub, "out", "cache")
    sub.add_argument("--workers", type=int, default=1, help="processes")

    sub = verb("hull", _hull, "compute energies above the hull")
    paths(sub, "relaxed", many=True)
    paths(sub, "reference", "out")

    sub = verb("select", _select, "choose the structures that go to DFT")
    paths(sub, "relaxed", many=True)
    paths(sub, "hull", "out")

    sub = verb("dft", _dft, "relax one shard of the selected structures with DFT")
    paths(sub, "selected", "folder", "out", "structures")
    paths(sub, "relaxed", many=True)
    sub.add_argument("--shard", type=int, default=0)
    sub.add_argument("--workers", type=int, default=1, help="structures at a time")
    sub.add_argument("--settings", type=_folder, default=None, help="folder of the presets (config/dft)")

    sub = verb("score", _score, "score the samples, with control rows")
    paths(sub, "crystal", "molecule", "mof", "data", "relaxed", "dft", many=True, required=False)
    paths(sub, "hull", required=False)
    paths(sub, "out")
    sub.add_argument("--workers", type=int, default=1, help="processes")

    sub = verb("report", _report, "write the report of a run")
    paths(sub, "run", "out")
    sub.add_argument("--run-config", default="{}", help="the whole configuration as JSON, for the manifest")

    sub = verb("check", _check, "validate a configuration file")
    sub.add_argument("--mirror", default=None, help="as `mirror` in the file")

    sub = verb("schema", _schema, "write the JSON schema of the configuration", needs_config=False)
    paths(sub, "out")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code (2 configuration, 3 data, 4 external tool)."""
    # Threads that wait for each other spin for some microseconds, then sleep: endless spinning makes training twenty
    # times slower as soon as something else wants a core.
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")
    args = parser().parse_args(arguments)
    setup(args.verb, args.log)
    _end_with_parent()
    try:
        args.handler(args)
    except AditError as error:
        log.error("error: %s", error)
        return error.exit_code
    except OSError as error:
        told = from_os_error(error, str(error.filename or f"adit {args.verb}"))
        log.error("error: %s", told)
        return told.exit_code
    except KeyboardInterrupt:
        log.error("interrupted; the same command goes on from the last saved state")
        return 130
    return 0


def _end_with_parent() -> None:
    """End this process, and the workers it started, when the workflow named in ``ADIT_PARENT_PID`` is gone."""
    text = os.environ.get(PARENT_VARIABLE, "")
    if not text.isdigit():
        return
    parent = int(text)

    def watch() -> None:
        while _alive(parent):
            time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _zombie(pid)


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False


if __name__ == "__main__":
    sys.exit(main())
