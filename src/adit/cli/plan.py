"""Command that estimates the cost of a run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from adit import config
from adit.cli.parsing import Verbs, add_paths
from adit.doctor import scheduler
from adit.expected import SUSTAINED, RuleCost, Site, expected, expected_of_rounds
from adit.outputs.replace import replaced_files
from adit.progress import duration, log

PROFILE = Path("slurm/config.yaml")
"""Default of ``--profile``."""


def _plan(args: argparse.Namespace) -> None:
    whole = config.load(args.config)
    site = site_of(args.profile, args.gpu)
    estimates = expected_of_rounds(whole, site) if whole.rounds.n else expected(whole, site)
    for line in table(estimates):
        log.info("%s", line)
    log.info(
        "run '%s' with GPUs like %s; accurate to a factor of a few. The report shows the actual cost",
        whole.name,
        args.gpu,
    )
    if args.out is not None:
        from adit.store import write_json

        with replaced_files([args.out], "plan") as (new,):
            write_json(new, records(estimates))


def site_of(profile: Path, device: str) -> Site:
    """Return the resources of the jobs from a profile.

    Args:
        profile: file or folder of a Snakemake profile.
        device: kind of GPU, a key of ``SUSTAINED``.

    Raises:
        ConfigError: the profile does not exist or is invalid.
    """
    values = scheduler.read_profile(scheduler.file_of(profile))
    resources: dict[str, dict[str, Any]] = values.get("set-resources") or {}
    sizes = values.get("group-components") or {}
    in_one_job = {rule: max(1, _whole(sizes.get(group))) for rule, group in (values.get("groups") or {}).items()}
    gpus = {rule: _whole((resource or {}).get("gpu")) for rule, resource in resources.items()}
    cores = {rule: max(1, _whole(number)) for rule, number in (values.get("set-threads") or {}).items()}
    return Site(cores, gpus, in_one_job, device)


def _whole(value: Any) -> int:
    """Return a number of the profile; 0 for other values, such as expressions, which only Snakemake can evaluate."""
    return value if isinstance(value, int) else 0


def table(estimates: Sequence[RuleCost]) -> list[str]:
    """Return the estimates as lines of a table, in core hours and GPU hours, with their sum."""
    lines = [f"{'rule':16}{'jobs':>6}{'each':>16}{'cores':>7}{'GPUs':>6}{'core hours':>12}{'GPU hours':>11}"]
    lines += [
        f"{e.rule:16}{e.jobs:6d}{duration(e.seconds):>16}{e.cores:7d}{e.gpus:6d}{e.core_hours:12.1f}{e.gpu_hours:11.1f}"
        for e in estimates
    ]
    core, gpu = sum(e.core_hours for e in estimates), sum(e.gpu_hours for e in estimates)
    return [*lines, f"{'all':16}{sum(e.jobs for e in estimates):6d}{'':29}{core:12.1f}{gpu:11.1f}"]


def records(estimates: Sequence[RuleCost]) -> list[dict[str, Any]]:
    """Return estimates as records for JSON; times in s and in core or GPU hours, as their names say."""
    return [{**asdict(e), "core_hours": e.core_hours, "gpu_hours": e.gpu_hours} for e in estimates]


def register(verbs: Verbs) -> None:
    """Add the verbs of this room."""

    def declare(sub: argparse.ArgumentParser) -> None:
        text = "profile of the cluster, with cores and GPUs of the jobs"
        sub.add_argument("--profile", type=Path, default=PROFILE, help=text)
        devices = [name for name in SUSTAINED if name != "cpu"]
        sub.add_argument("--gpu", choices=devices, default="a100", help="kind of GPU")
        add_paths(sub, "out", required=False, default="only the terminal")

    verbs.add("plan", _plan, declare)
