"""``adit keep``: the samples of a run that are worth training on, each with its lineage.

Reads:  scores/<kind>.parquet, relaxed/<kind>/*.arrow, samples/<kind>/*.arrow
Writes: one Arrow file of structures, and one table of the decision about each sample
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adit import store
from adit.columns import Col, Metric, Protocol, flag, stored_as
from adit.config.rounds import FloorsConfig
from adit.errors import DataError
from adit.expressions import Condition
from adit.progress import log
from adit.rounds.filters import KEPT, OWN, decision, is_true, missing_columns, with_elements
from adit.rounds.own import ScoreCommand
from adit.score.crystals.protocols import ADIT
from adit.score.matching.matcher import index_references, match_all
from adit.systems import AtomicSystem, Failure, Kind

if TYPE_CHECKING:
    import pandas as pd

DECISION: Final = "decision"
"""Column of the table: ``kept``, or why a sample is not kept."""

RUN, SAMPLE, WEIGHTS = "run", "sample", "weights"
"""Entries of ``info`` of a kept structure: its run, its id there, and the hash of the denoiser that made it."""

EARLIER: Final = "not new: kept in an earlier round"
"""Decision of a sample that an earlier round kept."""

UNKNOWN: Final = "not comparable with earlier rounds"
"""Decision of a crystal that the matcher could not compare."""

WALL_LIMIT_S: Final = 60.0
"""Limit on the wall time of the comparisons of one structure, s."""


COLLAPSE: Final = {
    Kind.CRYSTAL: (flag(Metric.UNIQUENESS, Protocol.ADIT), flag(Metric.NOVELTY, Protocol.ADIT)),
    Kind.MOLECULE: (str(Col.UNIQUE), str(Col.NOVEL)),
}
"""Columns of uniqueness and novelty, which fall when a loop collapses."""

VALID: Final = {Kind.CRYSTAL: Col.OVERALL_VALIDITY, Kind.MOLECULE: Col.VALIDITY}
"""Column of validity: a sample that is not valid is neither unique nor novel, which is no collapse."""


@dataclass(frozen=True)
class KeptSystems:
    """Samples of a run that are kept, and the decisions about all.

    Attributes:
        systems: relaxed structures; ``info`` has the split ``train`` and the origin (run, sample, weights).
        decisions: one row per requested sample: id, decision, and the columns of the scores.
    """

    systems: list[AtomicSystem]
    decisions: pd.DataFrame

    @property
    def counts(self) -> dict[str, int]:
        """Return the number of samples by decision, most frequent first."""
        return dict(Counter(self.decisions[DECISION]).most_common())


def inputs_of(run: Path, kind: Kind) -> list[Path]:
    """Return the files and folders of a run that are read."""
    return [run / f"scores/{kind}.parquet", run / f"relaxed/{kind}", run / f"samples/{kind}"]


def keep(
    run: Path,
    kind: Kind,
    earlier: Sequence[AtomicSystem],
    workers: int,
    condition: Condition | None = None,
    command: ScoreCommand | None = None,
) -> KeptSystems:
    """Return the samples of a run that pass every filter and were not kept before.

    Args:
        run: folder of a scored run.
        kind: crystal or molecule.
        earlier: structures that earlier rounds kept.
        workers: largest number of processes that compare.
        condition: the user's condition on the columns of the scores, of ``with_elements`` and of the command.
        command: the user's program that adds columns.

    Raises:
        DataError: a file is missing or broken, the scores lack a column, a sample that passes has no structure, or the
            table of the program does not fit.
        ExternalToolError: the program fails.
        ConfigError: the condition names an unknown column.
    """
    path = run / f"scores/{kind}.parquet"
    table = store.read_frame(path)
    if lacking := missing_columns(kind, list(map(str, table.columns))):
        raise DataError(
            f"{path}: has no {', '.join(lacking)}; the run needs data to be novel against, relaxation and a hull"
        )
    if condition is not None and command is None:
        _check(condition, table)
    decisions = {str(record[Col.SYSTEM_ID]): decision(kind, record) for record in table.to_dict("records")}
    structures = _structures(run, kind)
    for system_id in _passed(decisions):
        if system_id not in structures:
            raise DataError(
                f"{run}: scores/{kind}.parquet has {system_id}, its structures have not; score the run again"
            )
    if command is not None and (sent := _passed(decisions)):
        table = _with_columns(table, sent, command.columns(_rows(table, sent), [structures[i] for i in sent], kind))
    rows = {str(record[Col.SYSTEM_ID]): record for record in table.to_dict("records")}
    if condition is not None and (passed := _passed(decisions)):
        _check(condition, table)
        decisions |= {i: OWN for i in passed if not condition.holds(with_elements(rows[i]))}
    passed = _passed(decisions)
    weights = _weights(run, kind)
    candidates = [_with_lineage(structures[each], rows[each], run.name, weights.get(each, "")) for each in passed]
    reasons = _earlier(candidates, earlier, kind, workers)
    for system_id, system in zip(passed, candidates, strict=True):
        decisions[system_id] = reasons.get(system.system_id, KEPT)
    kept = [system for system in candidates if system.system_id not in reasons]
    return KeptSystems(kept, table.assign(**{DECISION: [decisions[str(each)] for each in table[Col.SYSTEM_ID]]}))


def _check(condition: Condition, table: pd.DataFrame) -> None:
    """Refuse columns that the table does not have."""
    condition.check([*with_elements({str(name): None for name in table.columns})], "rounds.keep")


def _passed(decisions: Mapping[str, str]) -> list[str]:
    return [system_id for system_id, word in decisions.items() if word == KEPT]


def _rows(table: pd.DataFrame, ids: Sequence[str]) -> pd.DataFrame:
    """Return the rows of a table by id, in the order of the ids."""
    return table.set_index(table[Col.SYSTEM_ID].astype(str)).loc[list(ids)].reset_index(drop=True)


def _with_columns(table: pd.DataFrame, ids: Sequence[str], columns: pd.DataFrame) -> pd.DataFrame:
    """Return the table with more columns, missing for all other ids."""
    more = columns.set_axis(list(ids)).reindex(table[Col.SYSTEM_ID].astype(str))
    return table.assign(**{str(name): more[name].to_numpy() for name in more.columns})


def check_floors(kept: KeptSystems, run: Path, kind: Kind, floors: FloorsConfig) -> None:
    """Check that a round did not collapse.

    Args:
        kept: samples that are kept, and the decisions about all.
        run: folder of the round.
        kind: crystal or molecule.
        floors: smallest uniqueness and novelty of the valid samples (0..1), and smallest number of kept structures.

    Raises:
        DataError: the round is below a floor; the message has the numbers.
    """
    unique, novel = COLLAPSE[kind]
    table = kept.decisions
    valid = table[[is_true(value) for value in table[VALID[kind]]]]
    for name, column, floor in (
        (Metric.UNIQUENESS, unique, floors.uniqueness),
        (Metric.NOVELTY, novel, floors.novelty),
    ):
        share = sum(map(is_true, valid[column])) / max(1, len(valid))
        if len(valid) and share < floor:
            raise DataError(
                f"{run}: {name} of the {len(valid)} valid {kind}s is {100 * share:.1f} %, below rounds.floors.{name} "
                f"({100 * floor:g} %): the loop stops; earlier rounds are unchanged"
            )
    if len(kept.systems) < floors.kept:
        raise DataError(
            f"{run}: keeps {len(kept.systems)} of {len(table)} {kind}s ({_counts(kept)}), fewer than "
            f"rounds.floors.kept ({floors.kept}): the loop stops; earlier rounds are unchanged"
        )


def write_kept(
    kept: KeptSystems, run: Path, kind: Kind, out: Path, table: Path, earlier: Sequence[AtomicSystem] = ()
) -> None:
    """Write the structures, after those of earlier rounds, and the decisions; log the number of samples by decision.

    Args:
        kept: samples that are kept, and the decisions about all.
        run: folder of the round.
        kind: crystal or molecule.
        out: file of structures to write, .arrow.
        table: table of decisions to write.
        earlier: structures that earlier rounds kept, which are written too.

    Raises:
        DataError: no sample is kept.
    """
    counts = _counts(kept)
    if not kept.systems:
        raise DataError(f"{run}: keeps none of {len(kept.decisions)} {kind}s ({counts}); there is nothing to train on")
    systems = [*earlier, *kept.systems]
    store.write_systems(out, systems, splits=["train"] * len(systems), metadata={RUN: str(run)})
    store.write_frame(table, kept.decisions)
    log.info("%s: %d %ss: %s", run, len(kept.decisions), kind, counts)


def _counts(kept: KeptSystems) -> str:
    return ", ".join(f"{number} {word}" for word, number in kept.counts.items())


def _structures(run: Path, kind: Kind) -> dict[str, AtomicSystem]:
    """Return the relaxed structures by id; where a kind is not relaxed, those of the samples, with a warning."""
    paths = sorted((run / f"relaxed/{kind}").glob("*.arrow"))
    if not paths:
        paths = sorted((run / f"samples/{kind}").glob("*.arrow"))
        log.warning("%s: has no relaxed/%s: the %ss are kept as they were sampled, not relaxed", run, kind, kind)
    if not paths:
        raise DataError(f"{run}: has no relaxed/{kind} and no samples/{kind}")
    rows = [row for path in paths for row in store.read_systems(path)]
    return {row.system_id: row for row in rows if not isinstance(row, Failure)}


def _weights(run: Path, kind: Kind) -> dict[str, str]:
    """Return the hash of the denoiser that made each sample; for another program, that of its output for the shard."""
    hashes: dict[str, str] = {}
    for path in sorted((run / f"samples/{kind}").glob("*.arrow")):
        table = store.read_systems(path)
        provenance: Mapping[str, Any] = table.metadata
        hashes |= dict.fromkeys(table.ids, str(provenance.get("dit_sha256") or provenance.get("output_sha256") or ""))
    return hashes


def _with_lineage(system: AtomicSystem, record: Mapping[str, Any], run: str, weights: str) -> AtomicSystem:
    info: dict[str, Any] = {"split": "train", RUN: run, SAMPLE: system.system_id, WEIGHTS: weights}
    energy = record.get(stored_as(Col.E_ABOVE_HULL, list(map(str, record))))
    if energy is not None and energy == energy:
        info[str(Col.E_ABOVE_HULL)] = round(float(energy), 4)
    if smiles := record.get(Col.SMILES):
        info[str(Col.SMILES)] = str(smiles)
    return replace(system, system_id=f"{run}-{system.system_id}", info=info)


def _earlier(
    candidates: Sequence[AtomicSystem], earlier: Sequence[AtomicSystem], kind: Kind, workers: int
) -> dict[str, str]:
    """Return the candidates that earlier rounds kept, with the decision: the same SMILES, or a match of the protocol.

    A crystal that cannot be compared is not kept: nobody knows whether it is new.
    """
    if kind is Kind.MOLECULE:
        smiles = {system.info.get(str(Col.SMILES)) for system in earlier} - {None, ""}
        return {system.system_id: EARLIER for system in candidates if system.info.get(str(Col.SMILES)) in smiles}
    if not earlier or not candidates:
        return {}
    index = index_references(earlier, ["train"] * len(earlier))
    result = match_all({"kept": candidates}, index, workers=workers, wall_limit_s=WALL_LIMIT_S)
    matches = {system.system_id: result.get("kept", system.system_id, ADIT.matcher) for system in candidates}
    same = {system_id: EARLIER for system_id, match in matches.items() if match is not None and match.in_reference}
    return same | {system_id: UNKNOWN for system_id, match in matches.items() if match is None}
