"""Stage ``prepare``: one dataset to one file of systems with splits, and the statistics of its training split."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from adit import convert, elements, seeds, store
from adit.config import PrepareStage
from adit.data.catalogue import DATASETS
from adit.data.records import SPLITS, Dataset, Loaded, Record
from adit.errors import DataError
from adit.progress import Progress, log
from adit.systems import AtomicSystem, Failure, Kind

ATOM_ORDER = "atomic number, then fractional (crystals) or Cartesian (molecules) coordinates, rounded to 1e-4"


def prepare(stage: PrepareStage, out: Path, stats: Path) -> None:
    """Write ``out`` (systems, failures and their splits) and ``stats`` (what the training split looks like).

    Raises:
        DataError: the raw files are missing or broken, or no system is left to train on.
    """
    name = stage.dataset.name
    dataset = DATASETS[name]
    loaded = dataset.load(stage.mirror)
    records = draw(loaded.records, stage.dataset.limit, name, stage.seed)
    progress = Progress(f"systems of {name}", len(records))
    rows: list[store.Row] = []
    for row in normalised(records, dataset.kind, stage.max_atoms, stage.max_atomic_number):
        rows.append(row)
        progress.update()
    splits = [record.split for record in records]
    _need_systems(name, rows, splits)
    store.write_systems(out, rows, splits=splits, metadata=provenance(stage, dataset, loaded))
    summary = statistics(name, dataset, rows, splits)
    store.write_json(stats, summary)
    log.info("%s: %s systems, %d dropped", name, summary["n_systems"], summary["n_failed"])


def draw(records: Sequence[Record], limit: int | None, name: str, seed: int) -> list[Record]:
    """Return at most ``limit`` records in their own order, each split in proportion, before anything is parsed."""
    if limit is None or limit >= len(records):
        return list(records)
    by_split = {split: [i for i, record in enumerate(records) if record.split == split] for split in SPLITS}
    shares = {split: len(indices) * limit / len(records) for split, indices in by_split.items()}
    quota = {split: math.floor(share) for split, share in shares.items()}
    by_remainder = sorted(SPLITS, key=lambda split: (quota[split] - shares[split], SPLITS.index(split)))
    for split in by_remainder[: limit - sum(quota.values())]:
        quota[split] += 1
    chosen: list[int] = []
    for split, indices in by_split.items():
        random = seeds.generator("limit", name, seed, split)
        chosen += [indices[i] for i in random.permutation(len(indices))[: quota[split]]]
    return [records[i] for i in sorted(chosen)]


def normalised(
    records: Sequence[Record], kind: Kind, max_atoms: int, max_atomic_number: int
) -> Iterator[AtomicSystem | Failure]:
    """Yield one row a record: the system in its normal form, or why it is dropped.

    Args:
        records: what to parse.
        kind: what the systems are.
        max_atoms: larger systems are dropped.
        max_atomic_number: systems with heavier elements are dropped.
    """
    seen: dict[bytes, str] = {}
    ids: Counter[str] = Counter()
    for record in records:
        name = record.system_id
        ids[name] += 1
        if ids[name] > 1:
            yield Failure(f"{name}#{ids[name]}", "prepare", f"duplicate: the id {name} stands in an earlier row", kind)
            continue
        try:
            system = normal_form(record.make(), max_atoms, max_atomic_number)
        except DataError as error:
            yield Failure(name, "prepare", str(error).removeprefix(f"{name}: "), kind)
        except (
            ArithmeticError,
            LookupError,
            TypeError,
            ValueError,
        ) as error:  # whatever a broken row makes a parser raise
            yield Failure(name, "prepare", f"does not parse ({type(error).__name__}: {error})", kind)
        else:
            twin = seen.setdefault(fingerprint(system), name)
            reason = f"duplicate: same atoms and geometry as {twin}"
            yield system if twin == name else Failure(name, "prepare", reason, kind)


def normal_form(system: AtomicSystem, max_atoms: int, max_atomic_number: int) -> AtomicSystem:
    """Return the system with a Niggli cell (crystals) or centred (molecules) and with atoms in ``ATOM_ORDER``.

    Raises:
        DataError: it is too large, holds an element outside the vocabulary, or its cell cannot be reduced.
    """
    if len(system) > max_atoms:
        raise DataError(f"too many atoms: {len(system)}, the limit is {max_atoms}")
    unknown = elements.outside_vocabulary(system.numbers, max_atomic_number)
    if unknown:
        raise DataError(f"element outside the vocabulary: {', '.join(unknown)}")
    if system.kind is Kind.CRYSTAL:
        system = convert.niggli(system)
    if system.cell is None:
        system = replace(system, positions=system.positions - system.positions.mean(axis=0))
    order = atom_order(system)
    return replace(system, numbers=system.numbers[order], positions=system.positions[order])


def atom_order(system: AtomicSystem) -> np.ndarray:
    """Return the indices (n,) that put the atoms into ``ATOM_ORDER``."""
    x, y, z = _rounded(system).T
    return np.lexsort((z, y, x, system.numbers))


def fingerprint(system: AtomicSystem) -> bytes:
    """Return a key that two systems in normal form share if they agree in atoms, cell and positions to 1e-4."""
    cell = b"" if system.cell is None else np.rint(system.cell * 1e4).astype(np.int64).tobytes()
    return system.numbers.tobytes() + cell + _rounded(system).tobytes()


def _rounded(system: AtomicSystem) -> np.ndarray:
    """Return coordinates (n, 3) in units of 1e-4 as integers; fractional ones wrap to 0 at 1."""
    if system.cell is None:
        return np.rint(system.positions * 1e4).astype(np.int64)
    return np.rint(system.fractional * 1e4).astype(np.int64) % 10_000


def _need_systems(name: str, rows: Sequence[store.Row], splits: Sequence[str]) -> None:
    usable = [split for row, split in zip(rows, splits, strict=True) if isinstance(row, AtomicSystem)]
    if "train" in usable:
        return
    failures = Counter(row.reason for row in rows if isinstance(row, Failure)).most_common(1)
    why = f" ({failures[0][1]} of {len(rows)} rows: {failures[0][0]})" if failures else ""
    what = "training system" if usable else "usable system"
    raise DataError(f"{name}: no {what} is left{why}; raise data.max_atoms, model.max_atomic_number or the limit")


def provenance(stage: PrepareStage, dataset: Dataset, loaded: Loaded) -> dict[str, Any]:
    """Return what the file of systems says about where it comes from and how it was made."""
    return {
        "dataset": stage.dataset.name,
        "kind": str(dataset.kind),
        "source": dataset.source,
        "licence": dataset.licence,
        "citation": dataset.citation,
        "origin": loaded.origin,
        "files": dict(loaded.files),
        "rows": len(loaded.records),
        "limit": stage.dataset.limit,
        "seed": stage.seed,
        "max_atoms": stage.max_atoms,
        "max_atomic_number": stage.max_atomic_number,
        "cell": "Niggli-reduced, a along x, b in the xy plane" if dataset.kind is Kind.CRYSTAL else None,
        "atom_order": ATOM_ORDER,
        "version": stage.version,
    }


def statistics(name: str, dataset: Dataset, rows: Sequence[store.Row], splits: Sequence[str]) -> dict[str, Any]:
    """Return counts of all rows, and histograms of the training split (atoms by element, systems by the others)."""
    pairs = [(row, split) for row, split in zip(rows, splits, strict=True) if isinstance(row, AtomicSystem)]
    train = [system for system, split in pairs if split == "train"]
    failures = Counter(re.split(r"[:(]", row.reason)[0].strip() for row in rows if isinstance(row, Failure))
    by_split = Counter(split for _, split in pairs)
    atoms = Counter(elements.symbol(int(z)) for system in train for z in system.numbers)
    return {
        "dataset": name,
        "kind": str(dataset.kind),
        "n_systems": {split: by_split[split] for split in SPLITS},
        "n_failed": sum(failures.values()),
        "failures": dict(failures),
        "size_histogram": {str(n): count for n, count in sorted(Counter(map(len, train)).items())},
        "elements": dict(atoms),
        "spacegroups": {str(n): count for n, count in sorted(Counter(map(_spacegroup, train)).items()) if n > 0},
        "source": dataset.source,
        "licence": dataset.licence,
        "citation": dataset.citation,
    }


def _spacegroup(system: AtomicSystem) -> int:
    """Return the published spacegroup number, else the one spglib finds; 0 for molecules."""
    published = system.info.get("spacegroup")
    return published if isinstance(published, int) else convert.spacegroup_number(system)
