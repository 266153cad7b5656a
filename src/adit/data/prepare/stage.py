"""Stage ``prepare``: convert one dataset to a file of systems with splits, and its card."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from adit import __version__, seeds, store
from adit.config import PrepareStage
from adit.data.datasets import catalogue
from adit.data.datasets.records import Dataset, Loaded, Record
from adit.data.prepare import shards
from adit.data.prepare.normal import ATOM_ORDER
from adit.data.prepare.statistics import Statistics
from adit.data.sources.locks import alone
from adit.data.sources.registry import SPLITS
from adit.errors import DataError
from adit.limits import limited
from adit.outputs.scratch import Scratch
from adit.progress import log
from adit.readers import settings_of
from adit.systems import Failure, Kind


def prepare(
    stage: PrepareStage,
    out: Path,
    stats: Path,
    *,
    mirror: str | None = None,
    state: Path | None = None,
    workers: int = 1,
) -> None:
    """Write ``out`` (systems, failures and their splits) and ``stats`` (counts, licence, citation).

    Args:
        stage: slice of the configuration.
        out: Arrow file of systems.
        stats: JSON file, the dataset's card.
        mirror: folder or URL with copies of the raw files, tried first.
        state: folder of finished shards, for resuming after a kill; default: beside ``out``.
        workers: number of processes; the result does not depend on it.

    Raises:
        DataError: the raw files are missing or broken, or no training system is left.
        ConfigError: a file of the folder ``state`` to write exists and was not written by this verb.
        AditError: a process died, e.g. for lack of memory.
    """
    name = stage.dataset.name
    dataset = catalogue.dataset(stage.dataset, stage.custom, settings_of(stage.read, stage.limits, workers))
    with limited(stage.limits):
        loaded = dataset.load(mirror)
    records = draw(loaded.records, stage.dataset.limit, name, stage.seed)
    state = state or out.parent / f".{out.name}.shards"
    work = shards.Work(records, dataset.kind, stage.max_atoms, stage.max_atomic_number, state / _key(stage, loaded))
    with alone(state):
        scratch = Scratch(state, "prepare")
        mine = [work.path(shard).relative_to(state).as_posix() for shard in range(work.count)]
        scratch.remove(scratch.names - set(mine))  # shards of another configuration or of other files
        scratch.promise(mine)
        _make(stage, dataset, loaded, work, out, stats, workers)
        scratch.remove(scratch.names)


def _make(
    stage: PrepareStage, dataset: Dataset, loaded: Loaded, work: shards.Work, out: Path, stats: Path, workers: int
) -> None:
    """Make the missing shards, and the two files from all shards."""
    name = stage.dataset.name
    shards.run(work, workers, f"rows of {name}")
    counted = Statistics()
    schema = store.SYSTEM_SCHEMA.with_metadata(store.provenance_metadata(provenance(stage, dataset, loaded)))
    with store.arrow_writer(out, schema) as write:
        for table in (*shards.merged(work), _dropped(loaded, dataset.kind)):
            counted.add(table)
            write(table.select(store.SYSTEM_SCHEMA.names).replace_schema_metadata(schema.metadata))
        _need_systems(name, counted)
    summary = {**counted.summary(name, dataset), "files": dict(loaded.files), "verified": dict(loaded.verified)}
    store.write_json(stats, summary)
    log.info("%s: %s systems, %d dropped %s", name, summary["n_systems"], summary["n_failed"], summary["failures"])


def _key(stage: PrepareStage, loaded: Loaded) -> str:
    """Return a hash of everything that the shards depend on."""
    parts = [
        stage.model_dump_json(),
        str(shards.SHARD),
        __version__,
        *(f"{n} {h}" for n, h in sorted(loaded.files.items())),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _dropped(loaded: Loaded, kind: Kind) -> pa.Table:
    """Return the rows that the dataset's own rule excludes, as a part."""
    rows = [Failure(d.system_id, "prepare", d.reason, kind) for d in loaded.dropped]
    return shards.as_shard(store.systems_table(rows, ["train"] * len(rows)), [None] * len(rows), [0] * len(rows))


def draw(records: Sequence[Record], limit: int | None, name: str, seed: int) -> list[Record]:
    """Return at most ``limit`` records, not parsed yet, in file order, with the proportions of the splits.

    Args:
        records: all records.
        limit: largest number of records; ``None``: all.
        name: name of the dataset, which the choice depends on.
        seed: seed of the choice.
    """
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


def _need_systems(name: str, counted: Statistics) -> None:
    if counted.by_split["train"]:
        return
    what = "training system" if counted.by_split else "usable system"
    raise DataError(
        f"{name}: no {what} is left{counted.commonest_failure()}; check data.max_atoms, model.max_atomic_number and "
        "the limit, and of your own datasets path, format, kind and split"
    )


def provenance(stage: PrepareStage, dataset: Dataset, loaded: Loaded) -> dict[str, Any]:
    """Return the sources, settings and hashes that are stored in the file of systems."""
    return {
        "dataset": stage.dataset.name,
        "kind": str(dataset.kind),
        "source": dataset.source,
        "licence": dataset.licence,
        "citation": dataset.citation,
        "origin": loaded.origin,
        "files": dict(loaded.files),
        "verified": dict(loaded.verified),
        "rows": len(loaded.records) + len(loaded.dropped),
        "limit": stage.dataset.limit,
        "seed": stage.seed,
        "max_atoms": stage.max_atoms,
        "max_atomic_number": stage.max_atomic_number,
        "cell": "Niggli-reduced, a along x, b in the xy plane" if dataset.kind is Kind.CRYSTAL else None,
        "atom_order": ATOM_ORDER,
        "version": stage.version,
    }
