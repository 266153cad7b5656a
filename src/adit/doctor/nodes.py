"""Nodes for the profile's jobs: cores, GPUs and constraint. sbatch refuses requests that no node meets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adit.doctor.finding import Finding, missing, ok
from adit.doctor.scheduler import ask, read_profile


@dataclass(frozen=True)
class Node:
    """Resources of a node in a partition.

    Attributes:
        cores: number of cores.
        gpus: number of GPUs.
        features: names that a constraint can ask for.
    """

    cores: int
    gpus: int
    features: frozenset[str]


@dataclass(frozen=True)
class Wanted:
    """Requested resources per node of a rule's job.

    Attributes:
        rule: name of the rule.
        partition: name of the partition.
        cores: number of cores.
        gpus: number of GPUs.
        feature: feature that the constraint asks for; empty without a constraint, and for one of several features.
    """

    rule: str
    partition: str
    cores: int
    gpus: int
    feature: str


def fitting(profile: Path) -> Iterator[Finding]:
    """Check that for every rule of the profile a node can run its jobs.

    Raises:
        ConfigError: the profile is not readable.
    """
    there = offered(ask("sinfo", "--noheader", "--Node", "--format", "%R|%c|%G|%f") or "")
    wanted = [one for one in requests(profile) if one.partition in there]
    faults = [fault for one in wanted for fault in _faults(one, there[one.partition], profile)]
    yield from faults
    if wanted and not faults:
        yield ok("nodes", "every job of the profile fits one")


def offered(output: str) -> dict[str, list[Node]]:
    """Return the nodes of each partition from lines ``partition|cores|gres|features``."""
    nodes: dict[str, list[Node]] = {}
    for line in output.splitlines():
        name, cores, gres, features = [*line.split("|"), "", "", ""][:4]
        gpus = sum(int(number) for number in re.findall(r"\bgpu(?::[^:,()]+)?:(\d+)", gres))
        number = re.match(r"\d+", cores)
        node = Node(int(number.group()) if number else 0, gpus, frozenset(features.split(",")))
        nodes.setdefault(name, []).append(node)
    return nodes


def requests(profile: Path) -> Iterator[Wanted]:
    """Yield the resources of the rules in a profile, without expressions, which only Snakemake can evaluate.

    Raises:
        ConfigError: the profile is not readable.
    """
    values = read_profile(profile)
    default: Mapping[str, Any] = values.get("default-resources") or {}
    resources: Mapping[str, Any] = values.get("set-resources") or {}
    threads: Mapping[str, Any] = values.get("set-threads") or {}
    for rule in dict.fromkeys([*threads, *resources]):
        merged = {**default, **(resources.get(rule) or {})}
        nodes = _number(merged.get("nodes")) or 1
        cores = _number(threads.get(rule)) * max(1, -(-_number(merged.get("tasks")) // nodes))
        gpus = -(-_number(merged.get("gpu")) // nodes)
        yield Wanted(
            rule, str(merged.get("slurm_partition", "")), cores, gpus, _feature(str(merged.get("constraint") or ""))
        )


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _feature(constraint: str) -> str:
    plain = constraint.strip("'\" ")
    return plain if re.fullmatch(r"[\w.-]+", plain) else ""


def _faults(wanted: Wanted, there: list[Node], profile: Path) -> Iterator[Finding]:
    rule, partition = wanted.rule, wanted.partition
    nodes = [node for node in there if not wanted.feature or wanted.feature in node.features]
    if not nodes:
        names = sorted({name for node in there for name in node.features} - {"", "(null)"})
        way = f"set constraint at the top of {profile}; there are: {', '.join(names) or 'none'}"
        yield missing("nodes", f"{rule}: no node of {partition} has the feature {wanted.feature}", way)
        return
    cores, gpus = max(node.cores for node in nodes), max(node.gpus for node in nodes)
    if wanted.cores > cores:
        way = f"set-threads {rule}: {cores} in {profile}"
        yield missing(
            "nodes", f"{rule} asks for {wanted.cores} cores, the largest node of {partition} has {cores}", way
        )
    if 0 < gpus < wanted.gpus:  # a partition without GPUs has its own finding
        way = f"set gpu: {gpus} for it at the top of {profile}, or more nodes"
        yield missing("nodes", f"{rule} asks for {wanted.gpus} GPUs a node, those of {partition} have {gpus}", way)
