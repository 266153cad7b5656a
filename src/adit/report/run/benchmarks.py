"""Resources of each job, as measured by Snakemake.

Reads: benchmarks/<job>.tsv
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def read(folder: Path) -> list[Record]:
    """Return one record per job: ``job``, ``stage`` and the numbers of Snakemake's file; NaN for missing ones.

    Among these are ``s`` (wall time, s), ``cpu_time`` (s), ``max_rss`` (MB) and ``threads``; ``gpus`` is the number of
    GPUs that a scheduler gave.

    Args:
        folder: ``results/<run>``.
    """
    records: list[Record] = []
    for path in sorted(folder.glob("benchmarks/*.tsv")):
        lines = [line.split("\t") for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
        for values in lines[1:]:
            texts = dict(zip(lines[0], values, strict=False))
            row = {name: _number(value) for name, value in texts.items()}
            row["gpus"] = _gpus(texts.get("resources", ""))
            records.append({"job": path.stem, "stage": path.stem.split("-")[0], **row})
    return records


def _gpus(resources: str) -> float:
    """Return the GPUs that a scheduler gave a job; NaN without a scheduler, when the number is only requested."""
    match = re.search(r"'gpu': (\d+)", resources)
    return float(match.group(1)) if match and "slurm_partition" in resources else float("nan")


def _number(text: str) -> float:
    return float(text) if re.fullmatch(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?", text.strip()) else float("nan")
