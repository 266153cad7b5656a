"""``adit stage relax``: relax every row of one shard of samples, crystals with a potential, molecules with GFN2-xTB."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adit import store
from adit.columns import Col
from adit.config import MoleculeRelaxConfig, MoleculeRelaxStage, RelaxConfig, RelaxStage
from adit.progress import log
from adit.relax import symmetry
from adit.relax.molecules.relaxation import SDF, Gfn2Relaxer
from adit.relax.molecules.rows import COLUMNS as MOLECULE_COLUMNS
from adit.relax.molecules.rows import COUNTS, columns_of, relax_molecules
from adit.relax.potentials import batch
from adit.relax.potentials.chosen import Chosen
from adit.relax.potentials.outcome import Limits, Relaxed
from adit.relax.potentials.together import resolve_device
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
"""Columns of every relaxation: energies in eV and eV/atom, ``fmax`` in eV/Å, ``rmsd_moved`` in Å, ``wall_s`` in s."""


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
        samples: file of systems and failures.
        out: table, one row per sample, with ``COLUMNS``.
        structures: file of relaxed systems, failures for the others.
        extxyz: extended XYZ file of the relaxed systems, for other programs.
        workers: largest number of processes.
        cache: folder for finished structures, from which an interrupted run resumes; ``None`` for none.

    Raises:
        DataError: the samples are missing or unreadable.
        ConfigError: the potential needs a file of weights, and it is missing.
        ExternalToolError: the potential is not installed, does not load, or a GPU is requested and there is none.
    """
    table = store.read_systems(samples)
    tag = chosen_of(stage.relax).energy_tag
    results = relax_rows(stage.relax, list(table), workers, cache)
    frame, relaxed = table_of(list(table), results, tag)
    _write(table, frame, relaxed, {"relax": stage.relax.model_dump(), Col.ENERGY_TAG: tag}, out, structures, extxyz)


def relax_molecule_shard(
    stage: MoleculeRelaxStage,
    samples: Path,
    out: Path,
    structures: Path,
    extxyz: Path,
    sdf: Path,
    workers: int,
    cache: Path | None = None,
) -> None:
    """Relax the molecules of one file; every system and every failure becomes one row, in the order of the file.

    Args:
        stage: settings.
        samples: file of systems and failures.
        out: table, one row per sample, with ``COLUMNS`` and those of molecules.
        structures: file of relaxed molecules, failures for the others.
        extxyz: extended XYZ file of the relaxed molecules, for other programs.
        sdf: SDF file of the relaxed molecules with their bonds; those without perceived bonds are left out.
        workers: largest number of processes.
        cache: folder for finished molecules, from which an interrupted run resumes; ``None`` for none.

    Raises:
        DataError: the samples are missing or unreadable.
        ExternalToolError: tblite is not installed.
    """
    table = store.read_systems(samples)
    results = relax_molecule_rows(stage.molecule, list(table), workers, cache)
    tag = Gfn2Relaxer().energy_tag
    frame, relaxed = table_of(list(table), results, tag, molecules=True)
    _write(table, frame, relaxed, {"relax": stage.molecule.model_dump(), Col.ENERGY_TAG: tag}, out, structures, extxyz)
    store.write_text(sdf, "".join(str(result.details.get(SDF, "")) for result in results))


def _write(
    table: store.SystemTable,
    frame: pd.DataFrame,
    relaxed: Sequence[AtomicSystem | Failure],
    description: dict[str, Any],
    out: Path,
    structures: Path,
    extxyz: Path,
) -> None:
    metadata = {**table.metadata, **description}
    store.write_systems(structures, relaxed, metadata=metadata)
    store.write_extxyz(extxyz, [row for row in relaxed if isinstance(row, AtomicSystem)])
    store.write_frame(out, frame, metadata)
    counts = Counter(frame[Col.STATUS])
    summary = ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))
    log.info("%s: %s", table.path.name, summary or "no samples")


def relax_rows(
    config: RelaxConfig, rows: Sequence[AtomicSystem | Failure], workers: int, cache: Path | None
) -> list[Relaxed]:
    """Relax crystals with the configured potential and return one result per row, failures included.

    Args:
        config: settings.
        rows: systems and failures.
        workers: largest number of processes.
        cache: folder for finished structures; ``None`` for none.

    Raises:
        ConfigError: the potential needs a file of weights, and it is missing.
        ExternalToolError: the potential is not installed, does not load, or a GPU is requested and there is none.
    """

    def relaxed(systems: Sequence[AtomicSystem], limits: Limits) -> list[Relaxed]:
        return batch.relax_all(
            systems,
            limits,
            wall_limit_s=config.wall_limit_s,
            workers=workers,
            cache=cache,
            device=resolve_device(config.device),
            batch_atoms=config.batch_atoms,
            chosen=chosen_of(config),
        )

    systems = [row for row in rows if isinstance(row, AtomicSystem)]
    results = iter(symmetry.relax_with_symmetry(systems, limits_of(config), config.symmetrize, relaxed))
    return [Relaxed("failed", row.reason) if isinstance(row, Failure) else next(results) for row in rows]


def relax_molecule_rows(
    config: MoleculeRelaxConfig, rows: Sequence[AtomicSystem | Failure], workers: int, cache: Path | None
) -> list[Relaxed]:
    """Relax molecules with GFN2-xTB and return one result per row, failures included; arguments as of ``relax_rows``.

    Raises:
        ExternalToolError: tblite is not installed, or does not load.
    """
    results = iter(relax_molecules(config, [row for row in rows if isinstance(row, AtomicSystem)], workers, cache))
    return [Relaxed("failed", row.reason) if isinstance(row, Failure) else next(results) for row in rows]


def table_of(
    rows: Sequence[AtomicSystem | Failure], results: Sequence[Relaxed], tag: str, *, molecules: bool = False
) -> tuple[pd.DataFrame, list[AtomicSystem | Failure]]:
    """Return the table, and the relaxed systems or failures.

    Args:
        rows: systems before relaxation, and failures.
        results: their results, in the same order.
        tag: energy tag.
        molecules: whether the table has the columns of molecules.

    The columns are ``COLUMNS``, then those of molecules, and those of ``symmetry`` if it was tried.
    """
    import pandas as pd

    pairs = list(zip(rows, results, strict=True))
    symmetric = symmetry.COLUMNS if any(Col.SYMMETRIZED in result.details for result in results) else ()
    columns = [*COLUMNS, *(MOLECULE_COLUMNS if molecules else ()), *symmetric]
    records = [
        _record(row, result, tag)
        | (columns_of(result.details) if molecules else {})
        | {name: result.details.get(name) for name in symmetric}
        for row, result in pairs
    ]
    frame = pd.DataFrame(records, columns=columns)
    counted = [name for name in (*COUNTS, *symmetry.COUNTS) if name in frame]
    frame = frame.astype(dict.fromkeys(counted, "Int64"))
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
