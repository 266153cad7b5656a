"""``adit stage judge-hull``: hull distances by the run's potential and by the judge, and the verdict of both.

Reads:  relaxed/<kind>/<shard>.arrow, judge/<kind>/<shard>.parquet, hull/hull.parquet, hull/reference.parquet
Writes: hull/judge.parquet
"""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adit import store
from adit.columns import ENERGIES, Col, bare_name
from adit.config import JudgeConfig, JudgeStage, ReferenceStage, RelaxConfig
from adit.elements import composition
from adit.errors import AditError, DataError
from adit.hull.competing import with_finished
from adit.hull.convex_hull import Hull
from adit.hull.energy_tags import column_of
from adit.hull.hull import DECIMALS, read_reference
from adit.hull.reference import limits_for, reference
from adit.hull.verdicts import joint, verdict
from adit.progress import log
from adit.relax.judge import judge_of
from adit.relax.potentials.chosen import Chosen
from adit.systems import AtomicSystem

if TYPE_CHECKING:
    import pandas as pd

FIXED: Final = (
    Col.SYSTEM_ID,
    Col.VERDICT,
    Col.MISSING_PAIRS,
    Col.E_ABOVE_HULL_DIFFERENCE,
    Col.JUDGE_STATUS,
    Col.JUDGE_REASON,
)
"""Columns in addition to those named after the two potentials. The difference is judge minus run, eV/atom."""


def judges_at_hand(judge: JudgeConfig) -> tuple[Chosen, ...]:
    """Return the judge, which then gives energies of the prototypes too.

    The result is empty if no judge is configured, or if its packages or weights are missing; the latter is logged.
    """
    chosen = judge_of(judge)
    if chosen is None:
        return ()
    try:
        chosen.check()
        chosen.identity()
    except AditError as error:
        log.warning("no judge, prototypes have energies of one potential: %s", error)
        return ()
    return (chosen,)


def reference_stage(stage: JudgeStage) -> ReferenceStage:
    """Return the settings of the judge's own references: those of the run, with the judge's potential."""
    judge = stage.judge
    place = {"engine": judge.engine, "weights": judge.weights, "python": judge.python}
    relax = RelaxConfig.model_validate({**stage.relax.model_dump(), **place})
    return ReferenceStage(relax=relax, hull=stage.hull, limits=stage.limits)


@dataclass(frozen=True)
class JudgeInputs:
    """Results of the two potentials.

    Attributes:
        systems: id → relaxed crystal.
        judged: id → row of the judge; energies in eV/atom.
        placed: rows of the run's hull.
        tag: energy tag of the judge; empty if nothing was judged.
        reason: why nothing was judged.
    """

    systems: Mapping[str, AtomicSystem]
    judged: Mapping[str, Mapping[str, Any]]
    placed: Sequence[Mapping[str, Any]]
    tag: str
    reason: str


def read_inputs(structures: Sequence[Path], judged: Sequence[Path], placed: Path) -> JudgeInputs:
    """Read the files of the earlier stages.

    Args:
        structures: ``.arrow`` files of relaxed crystals.
        judged: tables of the judge.
        placed: ``hull/hull.parquet`` of the run.

    Raises:
        DataError: a file is missing or broken, or the judge's energies are of several methods.
    """
    systems = {row.system_id: row for path in structures for row in store.read_systems(path)}
    frames = [(store.read_frame(path), store.read_metadata(path)) for path in judged]
    rows = {str(row[Col.SYSTEM_ID]): row for frame, _ in frames for row in frame.to_dict("records")}
    tags = sorted({str(info.get(Col.ENERGY_TAG) or "") for _, info in frames} - {""})
    if len(tags) > 1:
        raise DataError(f"{judged[0]} and others: judged as {tags[0]} and as {tags[1]}; judge all with one potential")
    reason = next((str(info["reason"]) for _, info in frames if info.get("reason")), "")
    return JudgeInputs(
        {key: row for key, row in systems.items() if isinstance(row, AtomicSystem)},
        rows,
        store.read_frame(placed).to_dict("records"),
        tags[0] if tags else "",
        reason,
    )


def judge_hull(
    stage: JudgeStage,
    inputs: JudgeInputs,
    references: Path,
    data: Sequence[Path],
    out: Path,
    cache: Path | None,
    workers: int,
    prototypes: Path | None = None,
) -> None:
    """Compute energies above the judge's hull; write them beside those of the run's potential, with the joint verdict.

    With ``hull.reference: builtin``, references of the judge's own are computed for the chemical systems in question;
    otherwise both use the run's hull. Without a hull of the judge, its columns are empty with a reason, and the verdict
    is that of the run's potential.

    Args:
        stage: settings.
        inputs: results of the two potentials, see ``read_inputs``.
        references: the run's table of references.
        data: prepared datasets, for references of the judge's own.
        out: table, one row per crystal of the run's hull: ``FIXED`` and ``<potential>_e_above_hull`` (eV/atom),
            ``<potential>_formation_energy_per_atom``; ``<potential>_surrogate_…`` where the hull is DFT's.
        cache: folder of finished references; ``None`` for none.
        workers: largest number of processes.
        prototypes: table of searched pairs, with energies by the judge; ``None`` for none.

    Raises:
        DataError: a file is invalid, or energies of different methods would be compared.
    """
    tag, why, hull = inputs.tag, inputs.reason, None
    if tag:
        try:
            hull = _hull(stage, inputs, references, list(data), out, cache, workers, prototypes)
        except AditError as error:
            if isinstance(error, DataError) and stage.hull.reference != "builtin":
                raise
            why = str(error)
            log.warning("the judge has no hull, the run continues without it: %s", error)
    frame = judge_table(inputs, hull, why)
    metadata = {"judge_tag": tag if hull is not None else "", "reason": why, "rows": len(frame)}
    store.write_frame(out, frame, metadata)
    counts = Counter(frame[Col.VERDICT])
    log.info("%s", ", ".join(f"{n} {name}" for name, n in counts.most_common()) or "no crystals")


def _hull(
    stage: JudgeStage,
    inputs: JudgeInputs,
    references: Path,
    data: list[Path],
    out: Path,
    cache: Path | None,
    workers: int,
    prototypes: Path | None = None,
) -> Hull:
    if stage.hull.reference != "builtin":
        return read_reference(references)
    chosen = judge_of(stage.judge)
    if chosen is None or chosen.energy_tag != inputs.tag:
        raise DataError(f"{out}: energies are {inputs.tag}, the configuration's judge is another; judge again")
    chemical = {frozenset(composition(system.numbers)) for system in inputs.systems.values()}
    budget_s = math.inf if stage.judge.references_wall_s is None else stage.judge.references_wall_s
    with tempfile.TemporaryDirectory(prefix="adit-judge-") as folder:
        own = Path(folder) / "reference.parquet"
        reference(reference_stage(stage), data, own, cache, workers, chemical=chemical, budget_s=budget_s)
        hull = read_reference(own)
    if stage.hull.competing == "none" or prototypes is None:
        return hull
    fmax = limits_for(stage.relax.fmax).fmax
    return with_finished(hull, sorted(chemical, key=sorted), chosen, fmax, prototypes, stage.hull.competing_ternaries)


def judge_table(inputs: JudgeInputs, hull: Hull | None, reason: str) -> pd.DataFrame:
    """Return the table, one row per crystal of the run's hull.

    Args:
        inputs: results of the two potentials.
        hull: the judge's hull; ``None`` if there is none.
        reason: why there is none.
    """
    import pandas as pd

    rows = [_judged_row(dict(placed), inputs, hull, reason) for placed in inputs.placed]
    frame = pd.DataFrame(rows)
    return frame if len(frame) else pd.DataFrame(columns=list(FIXED))


def _judged_row(placed: dict[str, Any], inputs: JudgeInputs, hull: Hull | None, reason: str) -> dict[str, Any]:
    system_id = str(placed[Col.SYSTEM_ID])
    plain = {bare_name(str(name)): value for name, value in placed.items()}
    first_tag, first_hull = str(placed[Col.ENERGY_TAG] or ""), str(placed[Col.HULL_TAG] or "")
    first = float(plain[Col.E_ABOVE_HULL])
    row: dict[str, Any] = {str(name): "" for name in FIXED} | {
        Col.SYSTEM_ID: system_id,
        Col.MISSING_PAIRS: str(placed.get(Col.MISSING_PAIRS) or ""),
    }
    row |= {Col.E_ABOVE_HULL_DIFFERENCE: math.nan, Col.VERDICT: str(placed[Col.VERDICT])}
    if first_tag:
        row |= {column_of(name, first_tag, first_hull): float(plain[name]) for name in ENERGIES}
    if hull is None:
        return row | {Col.JUDGE_STATUS: "not judged", Col.JUDGE_REASON: reason}
    judged = inputs.judged.get(system_id, {Col.STATUS: "missing", Col.REASON: "", Col.ENERGY_PER_ATOM: math.nan})
    row |= {Col.JUDGE_STATUS: str(judged[Col.STATUS]), Col.JUDGE_REASON: str(judged[Col.REASON] or "")}
    second, formation, gaps, why = _place(judged, inputs.systems.get(system_id), hull)
    row |= {
        column_of(Col.E_ABOVE_HULL, inputs.tag, hull.tag): second,
        column_of(Col.FORMATION_ENERGY, inputs.tag, hull.tag): formation,
        Col.E_ABOVE_HULL_DIFFERENCE: second - first,
        Col.MISSING_PAIRS: ", ".join(dict.fromkeys([*filter(None, row[Col.MISSING_PAIRS].split(", ")), *gaps])),
        Col.JUDGE_REASON: row[Col.JUDGE_REASON] or why,
    }
    system = inputs.systems.get(system_id)
    n_elements = 0 if system is None else len(set(system.numbers.tolist()))
    own = [verdict(energy, n_elements, row[Col.MISSING_PAIRS]) for energy in (first, second)]
    row[Col.VERDICT] = str(joint(own))
    return row


def _place(judged: Mapping[str, Any], system: AtomicSystem | None, hull: Hull) -> tuple[float, float, list[str], str]:
    """Return distance (eV/atom), formation energy (eV/atom), gaps of the hull, and why there is no distance."""
    energy = float(judged[Col.ENERGY_PER_ATOM])
    if system is None:
        return math.nan, math.nan, [], "no relaxed structure"
    counts = {element: float(count) for element, count in composition(system.numbers).items()}
    gaps = hull.gaps(frozenset(counts))
    if not math.isfinite(energy):
        return math.nan, math.nan, gaps, "no energy"
    try:
        above = round(energy - hull.energy_at(counts), DECIMALS) + 0.0
    except Exception as error:  # noqa: BLE001 - Qhull and pymatgen raise classes of their own; one row, one reason
        return math.nan, math.nan, gaps, " ".join(str(error).split())[:300]
    elements = sum(n * hull.elements[element] for element, n in counts.items()) / sum(counts.values())
    return above, energy - elements, gaps, ""
