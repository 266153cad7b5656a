"""Preparation in shards: parallel, kept on disk, resumed after a kill."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pyarrow as pa

from adit import convert, store
from adit.columns import Col
from adit.data.datasets.records import Record
from adit.data.prepare.normal import fingerprint, normal_form
from adit.errors import AditError, DataError
from adit.isolate import die_with_parent
from adit.progress import Progress, log
from adit.systems import AtomicSystem, Failure, Kind

SHARD = 1000
"""Number of records in a shard: a few seconds of work."""

SHARD_SCHEMA = store.SYSTEM_SCHEMA.append(pa.field("fingerprint", pa.binary())).append(
    pa.field(Col.SPACEGROUP, pa.int16())
)
"""Columns of a shard: those of a table of systems, the key of ``normal.fingerprint``, and the spacegroup (0: none)."""


@dataclass(frozen=True)
class Work:
    """Records to normalise, and their limits.

    Attributes:
        records: the rows.
        kind: kind of the systems.
        max_atoms: larger systems are dropped.
        max_atomic_number: systems with heavier elements are dropped.
        folder: folder of finished shards; its name is a hash of configuration and files.
    """

    records: Sequence[Record]
    kind: Kind
    max_atoms: int
    max_atomic_number: int
    folder: Path

    @property
    def count(self) -> int:
        """Return the number of shards."""
        return -(-len(self.records) // SHARD)

    def path(self, shard: int) -> Path:
        """Return the file of a shard."""
        return self.folder / f"{shard}.arrow"

    def part(self, shard: int) -> Sequence[Record]:
        """Return the records of a shard."""
        return self.records[shard * SHARD : (shard + 1) * SHARD]


def run(work: Work, workers: int, what: str) -> None:
    """Make every shard that is missing on disk.

    The result does not depend on the number of processes or on interruptions.

    Args:
        work: records and folder.
        workers: processes at most.
        what: name of the dataset, for messages.

    Raises:
        AditError: a process died, e.g. for lack of memory.
        DataError: a shard cannot be written.
    """
    missing = [shard for shard in range(work.count) if not work.path(shard).is_file()]
    done = sum(len(work.part(shard)) for shard in range(work.count)) - sum(len(work.part(s)) for s in missing)
    if done:
        log.info("%s: continuing after %d of %d rows", what, done, len(work.records))
    progress = Progress(what, len(work.records), done)
    for shard in _finished(work, missing, workers):
        progress.update(len(work.part(shard)))


_work: Work | None = None
"""The work of this process, which its forked children inherit: records are not sent to them."""


def _finished(work: Work, missing: Sequence[int], workers: int) -> Iterator[int]:
    global _work
    if workers <= 1 or len(missing) <= 1:
        for shard in missing:
            make_shard(work, shard)
            yield shard
        return
    _work = work
    context = multiprocessing.get_context("fork")
    try:
        with ProcessPoolExecutor(workers, mp_context=context, initializer=die_with_parent) as pool:
            futures = {pool.submit(_make_inherited, shard): shard for shard in missing}
            for future in as_completed(futures):
                future.result()
                yield futures[future]
    except BrokenProcessPool:
        raise AditError(
            "a process of the preparation died (out of memory?); run the same command again, with fewer --workers"
        ) from None
    finally:
        _work = None


def _make_inherited(shard: int) -> None:
    if _work is not None:
        make_shard(_work, shard)


def make_shard(work: Work, shard: int) -> None:
    """Bring the records of one shard into the normal form and write them.

    A record that is not a system becomes a failure of the stage ``prepare``.

    Raises:
        DataError: the shard cannot be written.
    """
    part = work.part(shard)
    rows = [_prepared_row(record, work) for record in part]
    table = store.systems_table(rows, [record.split for record in part])
    prints = [fingerprint(row) if isinstance(row, AtomicSystem) else None for row in rows]
    groups = [_spacegroup(row) if isinstance(row, AtomicSystem) else 0 for row in rows]
    store.write_arrow(work.path(shard), as_shard(table, prints, groups))


def as_shard(table: pa.Table, fingerprints: Sequence[bytes | None], spacegroups: Sequence[int]) -> pa.Table:
    """Return a table of systems with the further columns of ``SHARD_SCHEMA``.

    Args:
        table: table of systems.
        fingerprints: key of each row, see ``normal.fingerprint``; ``None`` for a failure.
        spacegroups: international number of each row; 0 for none.
    """
    table = table.append_column(SHARD_SCHEMA.field("fingerprint"), pa.array(fingerprints, pa.binary()))
    return table.append_column(SHARD_SCHEMA.field(Col.SPACEGROUP), pa.array(spacegroups, pa.int16()))


def _prepared_row(record: Record, work: Work) -> store.Row:
    """Return the system in its normal form, or a failure with the reason why it is dropped."""
    name = record.system_id
    try:
        return normal_form(record.make(), work.max_atoms, work.max_atomic_number)
    except DataError as error:
        return Failure(name, "prepare", str(error).removeprefix(f"{name}: "), work.kind)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:  # exceptions of parsers at broken rows
        return Failure(name, "prepare", f"does not parse ({type(error).__name__}: {error})", work.kind)


def _spacegroup(system: AtomicSystem) -> int:
    """Return the published spacegroup number, else spglib's; 0 for molecules."""
    published = system.info.get(Col.SPACEGROUP)
    return published if isinstance(published, int) else convert.spacegroup_number(system)


def merged(work: Work) -> Iterator[pa.Table]:
    """Yield the shards in order; rows with an id, or with atoms and geometry, of an earlier row become failures.

    Raises:
        DataError: a shard is missing or broken.
    """
    tables = [store.read_arrow(work.path(shard)) for shard in range(work.count)]  # mapped, not read
    taken = {name for table in tables for name in table.column(Col.SYSTEM_ID).to_pylist()}
    ids: set[str] = set()
    seen: dict[bytes, str] = {}
    for table in tables:
        names, prints = table.column(Col.SYSTEM_ID).to_pylist(), table.column("fingerprint").to_pylist()
        twins: dict[int, Failure] = {}
        for i, (name, key) in enumerate(zip(names, prints, strict=True)):
            if name in ids:
                reason = f"duplicate: an earlier row has the id {name}"
                twins[i] = Failure(_free(name, taken), "prepare", reason, work.kind)
            elif key is not None and seen.setdefault(key, name) != name:
                reason = f"duplicate: same atoms and geometry as {seen[key]}"
                twins[i] = Failure(name, "prepare", reason, work.kind)
            ids.add(name)
        yield _replaced(table, twins)


def _free(name: str, taken: set[str]) -> str:
    """Return ``<name>#2``, or the next number that no row has, and take it."""
    free = next(new for number in count(2) if (new := f"{name}#{number}") not in taken)
    taken.add(free)
    return free


def _replaced(table: pa.Table, failures: dict[int, Failure]) -> pa.Table:
    """Return the table with some rows replaced by failures."""
    if not failures:
        return table.combine_chunks()
    splits = table.column("split").to_pylist()
    pieces, start = [], 0
    for i, failure in sorted(failures.items()):
        pieces.append(table.slice(start, i - start))
        pieces.append(as_shard(store.systems_table([failure], [splits[i]]), [None], [0]))
        start = i + 1
    return pa.concat_tables([*pieces, table.slice(start)]).combine_chunks()
