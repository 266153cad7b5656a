"""SLURM with the profile: controller, partitions, GPUs, time limits, account, and queries of job states."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from adit.config.yaml_text import load_yaml
from adit.doctor.finding import Finding, missing, note, ok
from adit.doctor.machine import written
from adit.errors import ConfigError

SECTIONS = ("default-resources", "set-resources", "resources", "set-threads", "groups", "group-components")
"""Keys of a profile that are read here; Snakemake also accepts lists."""

COMMANDS = ("sbatch", "srun", "squeue", "sinfo", "scontrol", "scancel")
"""Commands of SLURM that a run needs."""

LEAST_JOB_AGE_S = 120
"""Three times the profile's wait before the first query, s; if MinJobAge is below it, squeue forgets jobs too early."""


def controller() -> Iterator[Finding]:
    """Check that the commands of SLURM are there and that the controller answers."""
    absent = [name for name in COMMANDS if shutil.which(name) is None]
    if absent:
        yield missing("SLURM", f"{', '.join(absent)} not found", "load the cluster's module, or run on its login node")
        return
    version = (ask("sinfo", "--version") or "").strip()
    if ask("scontrol", "ping") is None:
        yield missing("SLURM", f"{version}; the controller does not answer", "wait, or ask the administrators")
    else:
        yield ok("SLURM", f"{version}; the controller answers")


def partitions(profile: Path) -> Iterator[Finding]:
    """Check the partitions, GPUs and time limits of the profile.

    Raises:
        ConfigError: the profile is not readable.
    """
    output = ask("sinfo", "--noheader", "--format", "%R|%G|%l|%a") or ""
    there: dict[str, list[list[str]]] = {}
    for line in output.splitlines():
        name, *facts = line.split("|")
        there.setdefault(name, []).append(facts)
    for name, wanted in wanted_of(profile).items():
        if name not in there:
            way = f"set slurm_partition at the top of {profile}; there are: {', '.join(there) or 'none'}"
            yield missing("partition", f"{name} does not exist", way)
            continue
        rows = there[name]
        if wanted["gpu"] and not any("gpu" in gres for gres, _, _ in rows):
            yield missing("partition", f"{name} has no GPUs", f"name the GPU partition at the top of {profile}")
        limit = max(minutes(limit) for _, limit, _ in rows)
        if limit < wanted["runtime"]:
            way = f"set runtime and longest_min to {limit:.0f} at the top of {profile}; trainings go on later"
            yield missing(
                "partition", f"{name} ends jobs after {limit:.0f} min, {wanted['runtime']} are requested", way
            )
        if all(state != "up" for _, _, state in rows):
            yield note("partition", f"{name} is not up", "jobs wait until it is")
        elif not wanted["gpu"] or any("gpu" in gres for gres, _, _ in rows):
            yield ok("partition", f"{name}{', with GPUs' if wanted['gpu'] else ''}")


def wanted_of(profile: Path) -> dict[str, dict[str, int]]:
    """Return the profile's requests by partition: ``gpu`` (0 or 1) and the longest ``runtime``, min.

    Raises:
        ConfigError: the profile is not readable.
    """
    values = read_profile(profile)
    longest = (values.get("resources") or {}).get("longest_min", 0)
    default = values.get("default-resources") or {}
    wanted: dict[str, dict[str, int]] = {}
    for rule in ({}, *(values.get("set-resources") or {}).values()):
        merged = {**default, **(rule or {})}
        entry = wanted.setdefault(
            str(merged.get("slurm_partition", "")), {"gpu": 0, "runtime": longest if isinstance(longest, int) else 0}
        )
        entry["gpu"] |= bool(merged.get("gpu"))
        runtime = merged.get("runtime", 0)
        entry["runtime"] = max(entry["runtime"], runtime if isinstance(runtime, int) else 0)
    return {name: entry for name, entry in wanted.items() if name}


def file_of(profile: Path) -> Path:
    """Return the file of a profile, given as a file or, as for Snakemake, as a folder.

    Raises:
        ConfigError: there is no profile.
    """
    path = profile / "config.yaml" if profile.is_dir() else profile
    if not path.is_file():
        raise ConfigError(f"{path}: no such profile; run it in the project's folder, or give --profile")
    return path


def read_profile(profile: Path) -> Mapping[str, Any]:
    """Return the content of a profile.

    Raises:
        ConfigError: the file is not readable, not a YAML mapping, or has a section of ``SECTIONS`` that is no mapping.
    """
    try:
        values = load_yaml(profile.read_text(encoding="utf-8"), str(profile))
    except (OSError, ValueError, ConfigError) as error:
        raise ConfigError(f"{profile}: {' '.join(str(error).split())}; write it like slurm/config.yaml") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{profile}: holds no keys; write it like slurm/config.yaml")
    for name in SECTIONS:
        section = values.get(name) or {}
        inner = section.values() if name == "set-resources" and isinstance(section, dict) else ()
        if not isinstance(section, dict) or not all(one is None or isinstance(one, dict) for one in inner):
            raise ConfigError(f"{profile}: {name} must be keys with values, as in slurm/config.yaml")
    return values


def minutes(limit: str) -> float:
    """Return a time limit of SLURM (``2-00:00:00``, ``12:00:00``, ``30:00``) in min; any other text is infinite."""
    match = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", limit.strip())
    if not match:
        return float("inf")
    days, hours, mins, seconds = (int(part or 0) for part in match.groups())
    return days * 1440 + hours * 60 + mins + seconds / 60


def account(profile: Path) -> Iterator[Finding]:
    """Check that jobs have an account of the user, if the cluster needs one.

    Raises:
        ConfigError: the profile is not readable.
    """
    named = str((read_profile(profile).get("default-resources") or {}).get("slurm_account") or "")
    output = ask("sacctmgr", "--noheader", "--parsable2", "show", "assoc", "user=" + _user(), "format=account")
    accounts = sorted(set((output or "").split()))
    if named and accounts and named not in accounts:
        yield missing("account", f"{named} is not yours", f"set slurm_account to one of: {', '.join(accounts)}")
    elif not named and len(accounts) > 1:
        yield note("account", f"none set, you have {', '.join(accounts)}", f"set slurm_account at the top of {profile}")
    else:
        yield ok("account", named or (accounts[0] if accounts else "none needed, as far as can be seen"))


def logs(profile: Path) -> Iterator[Finding]:
    """Check that jobs can write their logs; SLURM ends a job that cannot, without a message.

    Raises:
        ConfigError: the profile is not readable.
    """
    folder = read_profile(profile).get("slurm-logdir")
    if folder:
        yield written("logs of jobs", Path(str(folder)))


def status_command() -> Iterator[Finding]:
    """Report whether squeue or sacct can query the state of a finished job."""
    config = ask("scontrol", "show", "config") or ""
    age = re.search(r"MinJobAge\s*=\s*(\d+)", config)
    remembers = int(age.group(1)) if age else 0
    sacct = ask("sacct", "--noheader", "--starttime", "now-1hour") is not None
    if remembers < LEAST_JOB_AGE_S and not sacct:
        way = "ask for MinJobAge of 300 s, or set slurm-init-seconds-before-status-checks to a third of it"
        yield missing("job states", f"squeue forgets jobs after {remembers} s and sacct does not work", way)
    else:
        command = f"squeue (remembers {remembers} s)" if remembers >= LEAST_JOB_AGE_S else "sacct"
        yield ok("job states", f"{command}; sacct {'works too' if sacct else 'does not work here'}")
    if re.search(r"JobRequeue\s*=\s*0", config):
        yield note("requeue", "off by default here", "the profile asks for it: slurm-requeue: true")


def _user() -> str:
    import getpass

    return getpass.getuser()


def ask(*words: str) -> str | None:
    """Return what a command prints; ``None`` if it is missing, fails, or takes more than 60 s."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
