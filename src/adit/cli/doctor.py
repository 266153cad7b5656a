"""Verb that checks a machine before a run."""

from __future__ import annotations

import argparse
import logging
import shutil
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlparse

from adit import config
from adit.cli.data import mirror_of
from adit.cli.parsing import Verbs, add_paths
from adit.config.engines import ENGINES
from adit.doctor import machine, nodes, scheduler, software
from adit.doctor.finding import Check, Finding, examine, missing, note, ok, records
from adit.errors import AditError, ExternalToolError
from adit.outputs.replace import replaced_files
from adit.progress import log

NETWORK_TIMEOUT_S = 5.0
"""Longest wait for a connection to a server, s."""

PROFILE = Path("slurm/config.yaml")
"""Profile that is checked by default, if ``sbatch`` is installed."""


def _doctor(args: argparse.Namespace) -> None:
    whole = None if args.config.lstrip().startswith("{") else config.load(args.config)
    stage = whole.stage(config.DoctorStage) if whole else config.load_stage(config.DoctorStage, args.config)
    findings = examine(_checks(args, stage, mirror_of(args, whole.mirror if whole else None)))
    for finding in findings:
        log.log(logging.INFO if finding.status == "ok" else logging.WARNING, "%s", finding.line())
    failed = [finding for finding in findings if finding.status == "missing"]
    if args.out is not None and not (failed and args.verb == "stage"):  # the workflow takes the file as a passed check
        from adit.store import write_json

        with replaced_files([args.out], "doctor") as (new,):
            write_json(new, records(findings))
    if failed:
        raise ExternalToolError(f"{len(failed)} of {len(findings)} checks failed; the first: {failed[0].line()}")
    log.info("all requirements of the run are met")


def _checks(args: argparse.Namespace, stage: config.DoctorStage, mirror: str | None) -> list[Check]:
    """Return the checks of a place: the login node, a CPU node, or a GPU node."""
    results = Path(stage.results) / stage.name
    here: list[Check] = [
        software.python,
        partial(software.locked, args.lock),
        partial(machine.disk, results),
        partial(machine.writing, results),
        machine.memory,
    ]
    gpu: list[Check] = [software.torch_computes, machine.gpus]
    evaluation: list[Check] = [partial(_dft, stage), partial(_potentials, stage), partial(_hull, stage)]
    if args.on == "gpu":
        return [*here, *gpu]
    if args.on == "cpu":
        return [*here, *evaluation]
    cluster: list[Check] = []
    if args.profile is not None or (shutil.which("sbatch") and PROFILE.is_file()):
        profile = scheduler.file_of(args.profile or PROFILE)
        looked_at = (scheduler.partitions, nodes.fitting, scheduler.account, scheduler.logs)
        of_profile = [partial(check, profile) for check in looked_at]
        cluster = [scheduler.controller, *of_profile, scheduler.status_command]
    return [*here, *gpu, partial(_data, stage, mirror), *evaluation, *cluster]


def _dft(stage: config.DoctorStage) -> Iterator[Finding]:
    """Check the engine, its settings, its pseudopotentials and its licence."""
    from adit.relax.dft.engines.registry import resolve

    if not stage.crystal and not stage.mof:
        yield ok("DFT", "not needed: no crystals are requested")
        return
    name = stage.dft.engine
    try:
        engine = resolve(config.DftStage(dft=stage.dft), None)
    except AditError as error:
        yield missing("DFT", f"{name} ({ENGINES[name].licence})", str(error))
        return
    if engine.note:
        yield note("DFT", engine.note, f"install {name} ({ENGINES[name].licence}) for DFT")
    else:
        yield ok(
            "DFT", f"{engine.name} {engine.version}, settings {engine.preset_name}; {ENGINES[engine.name].licence}"
        )


def _potentials(stage: config.DoctorStage) -> Iterator[Finding]:
    """Check the potentials of relaxation and judge: installation, weights, licences."""
    from adit.relax.potentials.chosen import Chosen

    relax, judge = stage.relax, stage.judge
    wanted = [("potential", Chosen(relax.engine, relax.weights, relax.python))]
    if judge.engine is not None:
        wanted.append(("judge", Chosen(judge.engine, judge.weights, judge.python)))
    for what, chosen in wanted:
        entry = chosen.potential
        licence = f"code {entry.code_licence}, weights {entry.weights_licence}"
        try:
            chosen.check()
            version = chosen.identity().version
        except AditError as error:
            bad = note if what == "judge" else missing
            yield bad(what, f"{entry.label} ({licence})", str(error))
            continue
        where = f" in {chosen.python}" if chosen.python else ""
        yield ok(what, f"{entry.label} {version}{where}; {licence}")


def _hull(stage: config.DoctorStage) -> Iterator[Finding]:
    """Check what a reference from the Materials Project's server needs: its client and a key."""
    from adit.hull.mp_client import at_hand

    if stage.hull.reference != "mp-api" or not (stage.crystal or stage.mof):
        return
    try:
        yield ok("hull", f"{at_hand()}; the server is asked after the relaxations")
    except AditError as error:
        yield missing("hull", "hull.reference mp-api", str(error))


def _data(stage: config.DoctorStage, mirror: str | None) -> Iterator[Finding]:
    """Check that each dataset is prepared, available, or can be downloaded."""
    for dataset in stage.data.datasets:
        name, own = dataset.name, stage.data.custom.get(dataset.name)
        what = f"dataset {name}"
        if (Path(stage.results) / stage.name / "data" / f"{name}.arrow").is_file():
            yield ok(what, "prepared")
        elif name.startswith("builtin-"):
            yield ok(what, "built in")
        elif own is None:
            yield _public(what, name, mirror)
        elif Path(own.path).exists():
            yield ok(what, own.path)
        else:
            yield missing(what, f"{own.path} does not exist", f"set data.custom.{name}.path")


def _public(what: str, name: str, mirror: str | None) -> Finding:
    from adit.data.sources.mirrors import cache_folder, is_url
    from adit.data.sources.registry import SOURCES

    layouts = SOURCES[name]
    at_url = mirror is not None and is_url(mirror)
    folders = [cache_folder() / "upstream", *([Path(mirror)] if mirror is not None and not at_url else [])]
    for folder in folders:
        if any(all((folder / file.name).is_file() for file in layout) for layout in layouts):
            return ok(what, f"in {folder}")
    address = mirror if at_url else getattr(layouts[-1][0].upstream, "url", None)
    host = urlparse(address).hostname if address else None
    if host and _reachable(host):
        return ok(what, f"will be downloaded from {host}")
    way = f"adit fetch --dataset {name} where there is a network (the login node), or give a mirror: --mirror FOLDER"
    return missing(what, f"not here, and {host or 'its source'} cannot be reached", way)


def _reachable(host: str) -> bool:
    try:
        socket.create_connection((host, 443), NETWORK_TIMEOUT_S).close()
    except OSError:
        return False
    return True


def register(verbs: Verbs) -> None:
    """Add the verbs of this room."""

    def declare(sub: argparse.ArgumentParser) -> None:
        places = ("login", "cpu", "gpu")
        sub.add_argument("--on", choices=places, default="login", help="where: login node, or a job's node")
        text = "profile of a cluster; default: slurm/config.yaml, if sbatch is installed"
        sub.add_argument("--profile", type=Path, help=text)
        sub.add_argument("--mirror", help="folder or URL with copies of the datasets; default: mirror of --config")
        sub.add_argument("--lock", type=Path, default=Path("requirements.lock"), help="versions to compare with")
        add_paths(sub, "out", required=False, default="only the terminal")

    verbs.both("doctor", _doctor, declare)
