"""Run manifest: configuration, versions, commit, hashes, hardware, cost of each stage."""

from __future__ import annotations

import math
import platform
import subprocess
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from adit import __version__, store
from adit.columns import Col, surrogate_title
from adit.config import parse
from adit.errors import ConfigError
from adit.expected import Site, expected
from adit.hull.energy_tags import potential_of_tag
from adit.report.run.inputs import Run

LIBRARIES: Final = (
    "torch",
    "numpy",
    "pandas",
    "pyarrow",
    "pymatgen",
    "pymatgen-core",
    "spglib",
    "ase",
    "rdkit",
    "chgnet",
    "sevenn",
    "phonopy",
    "atomate2",
    "jobflow",
    "gpaw",
    "gpaw-data",
    "tblite",
    "posebusters",
    "smact",
    "snakemake",
    "matplotlib",
)
"""Libraries that affect numbers or drawings; those not installed are ``None``."""

STAGES: Final = (
    "prepare",
    "vae",
    "encode",
    "dit",
    "take",
    "sample",
    "relax",
    "relax_molecules",
    "reference",
    "hull",
    "judge",
    "judge_hull",
    "select",
    "dft",
    "dft_references",
    "dft_hull",
    "select_molecules",
    "dft_molecules",
    "checks",
    "score",
    "check_stability",
    "lookup",
)
"""Stages in the order of tables of the cost; others follow."""

HASHED: Final = (
    "data/*.arrow",
    "vae/model.safetensors",
    "dit/model.safetensors",
    "hull/reference.parquet",
    "scores/*.parquet",
    "scores/summary.json",
)
"""Files whose SHA-256 is stored."""


def manifest(run: Run, name: str) -> dict[str, Any]:
    """Return the manifest of a run (JSON-able)."""
    plan = planned(run)
    return for_json(
        {
            "run": name,
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "adit_version": __version__,
            "code": git_state(Path(__file__).parents[2]),
            "seed": run.config.get("seed"),
            "python": platform.python_version(),
            "libraries": versions(),
            "hardware": hardware(),
            "sha256": hashes(run.folder),
            "energies": energies(run),
            "models": {network: training.config for network, training in run.training.items() if training.config},
            "cost": [{**row, "planned": plan.get(row["stage"])} for row in cost(run.benchmarks)],
            "problems": run.problems,
            "config": run.config,
        }
    )


def versions(names: Iterable[str] = LIBRARIES) -> dict[str, str | None]:
    """Return the installed version of each library."""
    versions_by_name: dict[str, str | None] = {}
    for name in names:
        try:
            versions_by_name[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions_by_name[name] = None
    return versions_by_name


def git_state(folder: Path) -> dict[str, Any]:
    """Return the commit of the code and whether it was changed since; ``None`` outside a repository."""
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return {"commit": None, "changed": None}
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".")
    return {"commit": _git(folder, "rev-parse", "HEAD"), "changed": None if changes is None else bool(changes)}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def hardware() -> dict[str, Any]:
    """Return processor, cores and memory of the machine that wrote the report."""
    import psutil

    return {
        "cpu": _cpu_name(),
        "machine": platform.machine(),
        "system": platform.system(),
        "physical_cores": psutil.cpu_count(logical=False),
        "logical_cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or "unknown"


def hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of models, data and scores by their path inside the run."""
    paths = [path for pattern in HASHED for path in sorted(folder.glob(pattern)) if path.is_file()]
    return {str(path.relative_to(folder)): store.sha256(path) for path in paths}


def energies(run: Run) -> dict[str, Any]:
    """Return the methods of energies and hull: reference, tags, whether surrogate, number of reference entries."""
    hull, potentials = run.hull, surrogate_potentials(run)
    return {
        "reference": run.setting("hull.reference"),
        "energy_tags": _distinct(hull, Col.ENERGY_TAG),
        "hull_tags": _distinct(hull, Col.HULL_TAG) or _distinct(run.reference, Col.HULL_TAG),
        "surrogate": None if potentials is None else bool(potentials),
        "reference_sources": run.reference_sources,
        "reference_entries": None if run.reference is None else len(run.reference),
        "dft_tags": sorted({str(row[Col.ENERGY_TAG]) for row in run.dft if isinstance(row.get(Col.ENERGY_TAG), str)}),
    }


def surrogate_potentials(run: Run) -> list[str] | None:
    """Return the potentials of surrogate energies on the hull; ``None`` if unknown."""
    hull = run.hull
    if hull is None or Col.SURROGATE not in hull:
        return None
    surrogates = hull[hull[Col.SURROGATE].fillna(False).astype(bool)]
    return sorted({potential_of_tag(tag) for tag in _distinct(surrogates, Col.ENERGY_TAG)} - {""})


def surrogate_note(run: Run) -> str:
    """Return the note for energies of a potential, e.g. ``CHGNet surrogate``; empty for others."""
    return ", ".join(map(surrogate_title, surrogate_potentials(run) or []))


def _distinct(frame: Any, column: str) -> list[str]:
    if frame is None or column not in frame:
        return []
    return sorted({str(value) for value in frame[column].dropna() if value != ""})


def cost(benchmarks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return jobs, wall time (s), processor time (s), largest memory (MB), core hours and GPU hours of each stage.

    Numbers that were not measured are ``None``.

    Args:
        benchmarks: records of ``adit.report.run.benchmarks.read``.
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in benchmarks:
        groups.setdefault(str(row["stage"]), []).append(row)
    order = {stage: number for number, stage in enumerate(STAGES)}
    return [
        {
            "stage": stage,
            "jobs": len({row["job"] for row in rows}),
            Col.WALL_S: _total(rows, "s"),
            "cpu_s": _total(rows, "cpu_time"),
            "max_rss_mb": max((v for v in _numbers(rows, "max_rss")), default=None),
            "core_hours": _hours(rows, "threads"),
            "gpu_hours": _hours(rows, "gpus"),
        }
        for stage, rows in sorted(groups.items(), key=lambda item: (order.get(item[0], len(order)), item[0]))
    ]


def _numbers(rows: Iterable[Mapping[str, Any]], name: str) -> list[float]:
    return [float(row[name]) for row in rows if name in row and math.isfinite(row[name])]


def _total(rows: Iterable[Mapping[str, Any]], name: str) -> float | None:
    values = _numbers(rows, name)
    return round(sum(values), 2) if values else None


def _hours(rows: Iterable[Mapping[str, Any]], name: str) -> float | None:
    """Return core or GPU hours of jobs: wall time times their number; ``None`` if the numbers were not recorded."""
    held = [row["s"] * row[name] for row in rows if math.isfinite(row.get(name, math.nan) * row.get("s", math.nan))]
    return round(sum(held) / 3600, 3) if held else None


def planned(run: Run) -> dict[str, dict[str, float]]:
    """Return the expected core and GPU hours of each stage, for the cores and GPUs of its jobs."""
    try:
        whole = parse(run.config)
    except ConfigError:
        return {}  # a report of single files, or of an older version
    site = Site(_most(run.benchmarks, "threads"), _most(run.benchmarks, "gpus"), {})
    return {
        estimate.rule: {"core_hours": round(estimate.core_hours, 3), "gpu_hours": round(estimate.gpu_hours, 3)}
        for estimate in expected(whole, site)
    }


def _most(benchmarks: Iterable[Mapping[str, Any]], name: str) -> dict[str, int]:
    maxima: dict[str, int] = {}
    for row in benchmarks:
        if math.isfinite(row.get(name, math.nan)):
            maxima[str(row["stage"])] = max(maxima.get(str(row["stage"]), 0), int(row[name]))
    return maxima


def for_json(value: Any) -> Any:
    """Return a value for JSON: numbers that are not finite become ``None``, unknown types become text."""
    if isinstance(value, Mapping):
        return {str(k): for_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set):
        return [for_json(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, str | int | bool | None) else str(value)
