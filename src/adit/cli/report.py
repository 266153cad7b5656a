"""Verbs of the report and of the configuration."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from adit import config
from adit.cli.parsing import Verbs, add_paths
from adit.errors import ConfigError
from adit.limits import set_limits
from adit.outputs.replace import replaced_files
from adit.progress import log


def _report(args: argparse.Namespace) -> None:
    from adit.report.page.build import report

    stage = config.load_stage(config.ReportStage, args.config)
    set_limits(stage.limits)
    if args.out.resolve() == args.run.resolve():
        other = args.run / "report"
        raise ConfigError(f"--out {args.out}: is the folder of the run; name another one, such as {other}")
    report(stage, args.run, args.out, getattr(args, "run_config", "{}"))


def _closing(args: argparse.Namespace) -> None:
    from adit.report.run.inputs import load_run
    from adit.report.words.closing import closing

    whole = config.load(args.config)
    set_limits(whole.limits)
    run = load_run(Path(whole.run), whole.model_dump_json(by_alias=True))
    sys.stdout.write("\n" + "\n".join(closing(run)) + "\n")


def _compare(args: argparse.Namespace) -> None:
    from adit.report.compare.runs import compare_runs

    compare_runs(args.runs, args.out)


def _ablations(args: argparse.Namespace) -> None:
    from adit.report.compare.ablations import gather_ablations

    gather_ablations(config.load_stage(config.AblationsStage, args.config), args.folder)


def _check(args: argparse.Namespace) -> None:
    overrides = {"mirror": args.mirror} if args.mirror else {}
    checked = config.load(args.config, overrides)
    mirror = checked.mirror
    if mirror and "://" not in mirror and not Path(mirror).is_dir():
        raise ConfigError(f"mirror: {mirror}: no such folder; give a folder or URL with copies, or leave it out")
    for name, own in checked.data.custom.items():
        if any(d.name == name for d in checked.data.datasets) and not Path(own.path).exists():
            raise ConfigError(f"data.custom.{name}: {own.path}: no such file or folder")
    if checked.model.source != "train":
        from adit.store import read_json
        from adit.train.bundle import read_manifest

        weights = Path(checked.model.weights)
        read_manifest(weights)
        drawn = checked.sample.molecule and checked.sample.of_kind("molecule").formulas == "training"
        histograms = read_json(weights / "dit/config.json").get("formula_histograms", {})
        if checked.model.source == "pretrained" and drawn and "molecule" not in histograms:
            raise ConfigError(
                f"sample.formulas: the weights in {weights} do not know the formulas of their molecules; "
                "set formulas: model, or train again"
            )
    config.check_places(checked)
    for key, words in checked.programs.items():
        log.info("%s starts: %s", key, shlex.join(words))
    log.info("%s is valid: run '%s', results in %s", args.config, checked.name, checked.run)


def _schema(args: argparse.Namespace) -> None:
    from adit.store import write_json

    with replaced_files([args.out], "schema") as (new,):
        write_json(new, config.json_schema())


def register(verbs: Verbs) -> None:
    """Add the verbs of this room."""
    verbs.add("report", _report, lambda sub: add_paths(sub, "run", "out"))
    verbs.stage("report", _report, _declare_report)
    verbs.add("closing", _closing, lambda _: None)
    verbs.stage("ablations", _ablations, lambda sub: add_paths(sub, "folder"))
    verbs.add("compare", _compare, _declare_compare, needs_config=False)
    verbs.add("check", _check, _declare_check)
    verbs.add("schema", _schema, lambda sub: add_paths(sub, "out"), needs_config=False)


def _declare_report(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "run", "out")
    sub.add_argument("--run-config", default="{}", help="the complete configuration as JSON, for the manifest")


def _declare_compare(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders of runs, e.g. results/a results/b")
    sub.add_argument("--out", type=Path, default=Path("results/comparison"), help="folder to write")


def _declare_check(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--mirror", help="folder or URL with copies of the datasets; default: mirror of --config")
