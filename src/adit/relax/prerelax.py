"""``adit stage relax``: relax every row of one shard of samples with a learned potential."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from adit import store
from adit.columns import Col
from adit.config import RelaxConfig, RelaxStage
from adit.progress import log
from adit.relax.potentials import batch
from adit.relax.potentials.chosen import Chosen
from adit.relax.potentials.gpu import resolve_device
from adit.relax.potentials.outcome import Limits, Relaxed
from adit.systems import AtomicSystem, Failure

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    Col.SYSTEM_ID,
    Col.STATUS,
    Col.REASON,
    Col.ENERGY,
    Col.ENERGY_PER_ATOM,
    Col.FMAX,
    Col.STEPS,
    Col.WALL_S,
    Col.N_ATOMS,
    Col.RMSD_MOVED,
    Col.SPACEGROUP_BEFORE,
    Col.SPACEGROUP_AFTER,
    Col.PUSHED_APART,
    Col.ENERGY_TAG,
)


def chosen_of(config: RelaxConfig) -> Chosen:
    """Return the configured potential."""
    return Chosen(config.engine, config.weights, config.python)


def limits_of(config: RelaxConfig) -> Limits:
    """Return the configured limits of a relaxation."""
    return Limits(
        config.fmax,
        config.max_steps,
        config.min_distance,
        config.max_volume_per_atom,
        config.optimizer,
        config.overlaps == "push",
    )


def prerelax(
    stage: RelaxStage,
    samples: Path,
    out: Path,
    structures: Path,
    extxyz: Path,
    workers: int,
    cache: Path | None = None,
) -> None:
    """Relax the samples of one file; every system and every failure becomes one row, in the order of the file.

    Args:
        stage: settings.
        samples: systems and failures.
        out: table, one row per sample: ``COLUMNS``; energies in eV and eV/atom, ``fmax`` in eV/Å, ``rmsd_moved`` in Å.
        structures: relaxed systems, failures for the others.
        extxyz: the relaxed systems for other programs.
        workers: processes at most.
        cache: folder for finished structures, from which a killed run resumes.

    Raises:
        DataError: the samples are missing or unreadable.
    """
    table = store.read_systems(samples)
    tag = chosen_of(stage.relax).energy_tag
    rows = list(table)
    results = relax_rows(stage.relax, rows, workers, cache)
    frame, relaxed = table_of(rows, results, tag)
    metadata = {**table.metadata, "relax": stage.relax.model_dump(), Col.ENERGY_TAG: tag}
    store.write_systems(structures, relaxed, metadata=metadata)
    store.write_extxyz(extxyz, [row for row in relaxed if isinstance(row, AtomicSystem)])
    store.write_frame(out, frame, metadata)
    counts = Counter(frame[Col.STATUS])
    log.info("%s: %s", samples.name, ", ".join(f"{n} {status}" for status, n in sorted(counts.items())) or "no samples")


def relax_rows(
    config: RelaxConfig, rows: Sequence[AtomicSystem | Failure], workers: int, cache: Path | None
) -> list[Relaxed]:
    """Relax the systems and return one result per row; see ``batch.relax_all``."""
    results = iter(
        batch.relax_all(
            [row for row in rows if isinstance(row, AtomicSystem)],
            limits_of(config),
            wall_limit_s=config.wall_limit_s,
            workers=workers,
            cache=cache,
            device=resolve_device(config.device),
            batch_atoms=config.batch_atoms,
            chosen=chosen_of(config),
        )
    )
    return [Relaxed("failed", row.reason) if isinstance(row, Failure) else next(results) for row in rows]


def table_of(
    rows: Sequence[AtomicSystem | Failure], results: Sequence[Relaxed], tag: str
) -> tuple[pd.DataFrame, list[AtomicSystem | Failure]]:
    """Return the table (``COLUMNS``) and the relaxed systems or failures; ``tag`` is the energies' tag."""
    import pandas as pd

    pairs = list(zip(rows, results, strict=True))
    frame = pd.DataFrame([_record(row, result, tag) for row, result in pairs], columns=list(COLUMNS))
    return frame, [_structure(row, result, tag) for row, result in pairs]


def _record(row: AtomicSystem | Failure, result: Relaxed, tag: str) -> dict[str, object]:
    return {
        Col.SYSTEM_ID: row.system_id,
        Col.STATUS: result.status,
        Col.REASON: result.reason,
        Col.ENERGY: result.energy,
        Col.ENERGY_PER_ATOM: result.energy_per_atom,
        Col.FMAX: result.fmax,
        Col.STEPS: result.steps,
        Col.WALL_S: result.wall_s,
        Col.N_ATOMS: 0 if isinstance(row, Failure) else len(row),
        Col.RMSD_MOVED: result.rmsd_moved,
        Col.SPACEGROUP_BEFORE: result.spacegroup_before,
        Col.SPACEGROUP_AFTER: result.spacegroup_after,
        Col.PUSHED_APART: result.pushed_apart,
        Col.ENERGY_TAG: tag,
    }


def _structure(row: AtomicSystem | Failure, result: Relaxed, tag: str) -> AtomicSystem | Failure:
    if isinstance(row, Failure):
        return row
    return batch.annotated(result, tag) or Failure(
        row.system_id, "relax", f"{result.status}: {result.reason}", row.kind
    )
