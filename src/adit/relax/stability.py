"""``adit check-stability``: dynamical stability and bulk modulus of crystals, each in an isolated worker.

Writes: stability.parquet (one row per structure), dos.parquet, and the tightly relaxed structures
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adit import store
from adit.columns import Col
from adit.config import RelaxConfig, StabilityConfig, StabilityStage
from adit.elements import reduced_formula
from adit.errors import DataError, ExternalToolError
from adit.isolate import Outcome, map_isolated
from adit.outputs.clean import RELAXED
from adit.outputs.replace import check_folder, replaced_folder
from adit.progress import Progress, log
from adit.readers import ReadSettings, need_structures, read_structures
from adit.relax.phonons.check import check_phonons
from adit.relax.phonons.kept import load_checked, save_checked
from adit.relax.phonons.outcome import Checked, PhononLimits, checked_of_outcome
from adit.relax.potentials.chosen import Chosen
from adit.relax.potentials.outcome import Limits
from adit.relax.potentials.together import REINSTALL
from adit.relax.prerelax import chosen_of
from adit.relax.standalone import chosen_rows, of_a_kind
from adit.systems import AtomicSystem, Failure

if TYPE_CHECKING:
    import pandas as pd

Rows = Sequence[AtomicSystem | Failure]

VERB: Final = "check-stability"

COLUMNS: Final = (
    Col.SYSTEM_ID,
    Col.STATUS,
    Col.REASON,
    Col.FORMULA,
    Col.N_ATOMS,
    Col.DYNAMICALLY_STABLE,
    Col.IMAGINARY_GAMMA,
    Col.IMAGINARY_BOUNDARY,
    Col.LOWEST_GAMMA,
    Col.LOWEST_BOUNDARY,
    Col.BOUNDARY_POINTS,
    Col.BULK_MODULUS,
    Col.PHONON_SUPERCELL,
    Col.DISPLACEMENTS,
    Col.SPACEGROUP_AFTER,
    Col.ENERGY_PER_ATOM,
    Col.FMAX,
    Col.STEPS,
    Col.WALL_S,
    Col.WARNINGS,
    Col.ENERGY_TAG,
)
"""Columns of the table; energy, force, steps and spacegroup are of the tight relaxation."""

COUNTS: Final = (Col.BOUNDARY_POINTS, Col.DISPLACEMENTS, Col.SPACEGROUP_AFTER, Col.STEPS)
FLAGS: Final = (Col.DYNAMICALLY_STABLE, Col.IMAGINARY_GAMMA, Col.IMAGINARY_BOUNDARY)

DOS_COLUMNS: Final = (Col.SYSTEM_ID, Col.FREQUENCY, Col.DENSITY_OF_STATES)
"""Columns of the densities of states: THz, and 1/THz for each atom."""

FILES: Final = ("stability.parquet", "stability.csv", "dos.parquet", "relaxed.arrow", "relaxed.extxyz")
"""Files of a check of a user's structures."""


def limits_of(stability: StabilityConfig, relax: RelaxConfig) -> PhononLimits:
    """Return the configured limits; the tight relaxation has the bounds of the pre-relaxation."""
    bounds = (relax.min_distance, relax.max_volume_per_atom, relax.optimizer)
    tight = Limits(stability.fmax, stability.max_steps, *bounds, keep_symmetry=True)
    return PhononLimits(tight, stability.displacement, stability.length, stability.max_atoms, stability.tolerance)


def check_rows(
    stability: StabilityConfig, relax: RelaxConfig, rows: Rows, workers: int, cache: Path | None
) -> list[Checked]:
    """Check crystals and return one result per row, in order; a failure affects one structure only.

    Args:
        stability: settings.
        relax: section of the potential.
        rows: structures, and failures, which stay failures.
        workers: single-threaded processes at most.
        cache: folder for finished results, which are used if settings and structure are the same.

    Raises:
        ConfigError: the potential needs a file of weights that is not there.
        ExternalToolError: phonopy or the potential is not installed, or does not load.
    """
    chosen, limits = chosen_of(relax), limits_of(stability, relax)
    results: dict[int, Checked] = {
        index: Checked("failed", row.reason) for index, row in enumerate(rows) if isinstance(row, Failure)
    }
    systems = {index: row for index, row in enumerate(rows) if isinstance(row, AtomicSystem)}
    if systems:
        _need_parts(chosen)
    tag = chosen.energy_tag if systems else ""
    for index, system in systems.items():
        kept = load_checked(cache, system, limits, tag)
        if kept is not None:
            results[index] = kept
    todo = [index for index in systems if index not in results]
    progress = Progress("structures checked", len(systems), done=len(systems) - len(todo))

    def done(position: int, outcome: Outcome) -> None:
        if outcome.status == "unstarted":
            raise ExternalToolError(f"{chosen.label} does not load in a worker: {outcome.reason}; {REINSTALL}")
        index = todo[position]
        results[index] = checked_of_outcome(outcome)
        if outcome.status == "ok":
            save_checked(cache, systems[index], limits, results[index], tag)
        progress.update()

    map_isolated(
        check_phonons,
        [(systems[index], limits, chosen) for index in todo],
        workers=workers,
        wall_limit_s=stability.wall_limit_s,
        on_result=done,
        warm_up=partial(_load, chosen),
    )
    return [results[index] for index in range(len(rows))]


def _load(chosen: Chosen) -> None:
    """Load the potential and the libraries, so that no structure's wall time counts that."""
    for module in ("phonopy", "ase.constraints", "ase.eos", "ase.optimize"):
        import_module(module)
    chosen.evaluator()


def _need_parts(chosen: Chosen) -> None:
    if find_spec("phonopy") is None:
        raise ExternalToolError("phonopy is not installed, which computes phonons; pip install phonopy")
    chosen.check()


def table_of(rows: Rows, results: Sequence[Checked], tag: str) -> pd.DataFrame:
    """Return the table, ``COLUMNS``; ``tag`` is the energies' tag."""
    import pandas as pd

    records = [_record(row, result, tag) for row, result in zip(rows, results, strict=True)]
    frame = pd.DataFrame(records, columns=list(COLUMNS))
    return frame.astype({**dict.fromkeys(COUNTS, "Int64"), **dict.fromkeys(FLAGS, "boolean")})


def _record(row: AtomicSystem | Failure, result: Checked, tag: str) -> dict[str, Any]:
    own = {} if isinstance(row, Failure) else {Col.FORMULA: reduced_formula(row.numbers), Col.N_ATOMS: len(row)}
    fixed = {
        Col.SYSTEM_ID: row.system_id,
        Col.STATUS: result.status,
        Col.REASON: result.reason,
        Col.FORMULA: "",
        Col.N_ATOMS: 0,
        Col.WALL_S: result.wall_s,
        Col.WARNINGS: "",
        Col.ENERGY_TAG: tag,
    }
    return {**dict.fromkeys(map(str, COLUMNS)), **{str(k): v for k, v in {**fixed, **own}.items()}, **result.values}


def dos_of(rows: Rows, results: Sequence[Checked]) -> pd.DataFrame:
    """Return the densities of states of all structures, ``DOS_COLUMNS``."""
    import pandas as pd

    parts = [
        (row.system_id, frequency, density)
        for row, result in zip(rows, results, strict=True)
        for frequency, density in zip(result.dos.frequencies, result.dos.densities, strict=True)
    ]
    return pd.DataFrame(parts, columns=list(DOS_COLUMNS))


def relaxed_of(rows: Rows, results: Sequence[Checked]) -> list[AtomicSystem | Failure]:
    """Return the tightly relaxed crystals, failures for the others."""
    return [
        result.system or Failure(row.system_id, VERB, f"{result.status}: {result.reason}", row.kind)
        for row, result in zip(rows, results, strict=True)
    ]


def check_candidates(
    stage: StabilityStage,
    candidates: Sequence[AtomicSystem],
    out: Path,
    dos: Path,
    structures: Path,
    workers: int,
    cache: Path | None,
) -> None:
    """Check the best crystals of a run.

    Args:
        stage: settings.
        candidates: relaxed crystals, best first.
        out: table, ``COLUMNS``.
        dos: table, ``DOS_COLUMNS``.
        structures: tightly relaxed crystals, failures for the others.
        workers: processes at most.
        cache: folder for finished results.

    Raises:
        ConfigError: the potential needs a file of weights that is not there.
        ExternalToolError: phonopy or the potential is not installed, or does not load.
    """
    results = check_rows(stage.stability, stage.relax, candidates, workers, cache)
    tag = chosen_of(stage.relax).energy_tag
    frame = table_of(candidates, results, tag)
    settings = {"stability": stage.stability.model_dump(), Col.ENERGY_TAG: tag}
    store.write_frame(out, frame, settings)
    store.write_frame(dos, dos_of(candidates, results), settings)
    store.write_systems(structures, relaxed_of(candidates, results), metadata=settings)
    log.info("%s", summary(frame))


def summary(frame: pd.DataFrame) -> str:
    """Return the counts of a table in one line."""
    counts = Counter(frame[Col.STATUS])
    stable = int(frame[Col.DYNAMICALLY_STABLE].fillna(False).sum())
    text = ", ".join(f"{n} {status}" for status, n in sorted(counts.items())) or "no crystals"
    return f"{text}; {stable} without imaginary modes" if counts["ok"] else text


def check_stability(
    stage: StabilityStage,
    files: Sequence[Path],
    out: Path,
    workers: int,
    draw: Callable[[pd.DataFrame, pd.DataFrame, Path], None],
    reading: ReadSettings | None = None,
    only: Sequence[str] = (),
) -> None:
    """Check a user's crystals and write ``FILES`` and the figure; a second run computes only what is missing.

    Args:
        stage: settings.
        files: structures in any format that is read.
        out: folder to write.
        workers: processes at most.
        draw: draws the densities of states of a table into a folder.
        reading: how files are read.
        only: ids; empty: all.

    Raises:
        ConfigError: an id is not in the files, the potential's weights are missing, or an output is not this verb's.
        DataError: no structure can be checked.
        ExternalToolError: phonopy or the potential is not installed, or does not load.
    """
    read = chosen_rows(read_structures(files, reading), only)
    need_structures(read)
    given = [of_a_kind(each) for each in read]
    rows = [each.row for each in given]
    sources = [Path(source) for source in {each.source for each in given}]
    check_folder(out, VERB, inputs=[*files, *sources], names=FILES)
    results = check_rows(stage.stability, stage.relax, rows, workers, out / RELAXED)
    tag = chosen_of(stage.relax).energy_tag
    frame = table_of(rows, results, tag).assign(
        **{Col.SOURCE: [each.source for each in given], Col.READ_NOTES: ["; ".join(each.notes) for each in given]}
    )
    dos, after = dos_of(rows, results), relaxed_of(rows, results)
    with replaced_folder(out, VERB, inputs=sources, names=FILES) as new:
        store.write_systems(new / "relaxed.arrow", after)
        store.write_extxyz(new / "relaxed.extxyz", [row for row in after if isinstance(row, AtomicSystem)])
        store.write_frame(new / "stability.csv", frame)
        store.write_frame(new / "stability.parquet", frame)
        store.write_frame(new / "dos.parquet", dos)
        if len(dos):
            draw(frame, dos, new)
    log.info("%s: %s", out / "stability.parquet", summary(frame))
    if all(isinstance(row, Failure) for row in rows) or set(frame[Col.STATUS]) <= {"refused"}:
        first = frame.iloc[0]
        raise DataError(
            f"none of the {len(frame)} structures can be checked ({first[Col.SYSTEM_ID]}: {first[Col.REASON]}); "
            f"see the reasons in {out / 'stability.csv'}"
        )
