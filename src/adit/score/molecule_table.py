"""Molecules: the table of one row a molecule asked for, its rates and its funnel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from adit.elements import composition, reduced_formula
from adit.isolate import Outcome
from adit.score.aggregate import Rater, Record, Step, funnel, plain_reason
from adit.score.inputs import Row
from adit.score.molecules import unique_ids
from adit.score.names import (
    OF_VALID,
    POSEBUSTERS_COLUMNS,
    POSEBUSTERS_SEVEN,
    Col,
    Metric,
    Protocol,
    posebusters_name,
)
from adit.systems import Failure

Records = list[dict[str, Any]]

ASKED = "molecules asked for"
STRICT = "bonds fit charge 0, one fragment, no radicals, sanitises, all hydrogens"


def molecule_rows(
    rows: Sequence[Row],
    checks: Mapping[str, Outcome],
    busted: Mapping[str, dict[str, bool | None] | str],
    sent: AbstractSet[str],
    train_smiles: AbstractSet[str],
) -> Records:
    """Return the table of a population, failures included.

    Args:
        rows: systems and failures.
        checks: outcome of ``check_molecule`` by id.
        busted: PoseBusters' flags, or a reason, by id.
        sent: ids within the number of molecules that go to PoseBusters.
        train_smiles: canonical SMILES of the training split.
    """
    table = [_row(row, checks.get(row.system_id)) for row in rows]
    unique = unique_ids({row[Col.SYSTEM_ID]: row[Col.SMILES] for row in table if row[Col.SMILES]})
    unique_pdb = unique_ids({row[Col.SYSTEM_ID]: row[Col.PDB_SMILES] for row in table if row[Col.PDB_SMILES]})
    for record in table:
        system_id = record[Col.SYSTEM_ID]
        record[Col.UNIQUE] = system_id in unique
        record[Col.UNIQUE_PDB] = system_id in unique_pdb
        record[Col.NOVEL] = bool(record[Col.SMILES]) and record[Col.SMILES] not in train_smiles
        record |= _posebusters(system_id, busted.get(system_id, "no bonding to check"), sent)
    return table


def _row(row: Row, outcome: Outcome | None) -> dict[str, Any]:
    record: dict[str, Any] = {Col.SYSTEM_ID: row.system_id, Col.STATUS: "ok", Col.REASON: "", Col.FORMULA: ""}
    record |= {Col.N_ATOMS: 0, Col.N_ELEMENTS: 0, Col.VALIDITY: False, Col.NEUTRAL_VALIDITY: False}
    record |= {Col.PDB_VALIDITY: False, Col.SMILES: "", Col.PDB_SMILES: ""}
    if isinstance(row, Failure):
        return record | {Col.STATUS: "failed", Col.REASON: f"{row.stage}: {row.reason}"}
    record |= {
        Col.FORMULA: reduced_formula(row.numbers),
        Col.N_ATOMS: len(row),
        Col.N_ELEMENTS: len(composition(row.numbers)),
    }
    if outcome is None or outcome.status != "ok":
        return record | {Col.STATUS: "failed", Col.REASON: f"checks: {outcome.reason if outcome else 'not run'}"}
    found = outcome.value
    return record | {
        Col.VALIDITY: found.strict,
        Col.NEUTRAL_VALIDITY: found.neutral,
        Col.PDB_VALIDITY: found.pdb,
        Col.SMILES: found.smiles or "",
        Col.PDB_SMILES: found.pdb_smiles or "",
        Col.REASON: found.reason,
    }


def _posebusters(system_id: str, found: dict[str, bool | None] | str, sent: AbstractSet[str]) -> dict[str, Any]:
    names = {column: posebusters_name(column) for column in POSEBUSTERS_COLUMNS}
    if system_id not in sent:
        return {Col.POSEBUSTERS_STATUS: "not_sent", Col.POSEBUSTERS_REASON: ""} | dict.fromkeys(names.values(), False)
    if isinstance(found, str):
        return {Col.POSEBUSTERS_STATUS: "failed", Col.POSEBUSTERS_REASON: found} | dict.fromkeys(names.values(), False)
    unknown = [column for column, value in found.items() if value is None]
    reason = f"not computed: {', '.join(unknown)}" if unknown else ""
    flags = {names[column]: bool(value) for column, value in found.items()}
    return {Col.POSEBUSTERS_STATUS: "ok", Col.POSEBUSTERS_REASON: reason} | flags


def molecule_records(table: Records, rater: Rater, n_train: int) -> list[Record]:
    """Return the rates of one population."""
    strict, adit = Protocol.STRICT, Protocol.ADIT
    valid = [row for row in table if row[Col.VALIDITY]]
    pdb = [row for row in table if row[Col.PDB_VALIDITY]]
    of_valid = f"strictly valid molecules ({STRICT}); canonical SMILES"
    against = f"not in the training split ({n_train} molecules)"
    both = [row[Col.UNIQUE] and row[Col.NOVEL] for row in table]

    def over(rows: Records, protocol: Protocol, metric: str, column: Col, basis: str) -> Record:
        return rater.rate(protocol, metric, (row[column] for row in rows), basis)

    return [
        over(table, strict, Metric.VALIDITY, Col.VALIDITY, f"{ASKED}; {STRICT}"),
        over(table, strict, Metric.NEUTRAL_VALIDITY, Col.NEUTRAL_VALIDITY, f"{ASKED}; {STRICT}; no charged atom"),
        over(table, adit, Metric.PDB_VALIDITY, Col.PDB_VALIDITY, f"{ASKED}; PDB round trip, largest fragment"),
        over(table, strict, Metric.UNIQUENESS, Col.UNIQUE, f"{ASKED}; distinct canonical SMILES of valid ones"),
        over(valid, strict, Metric.UNIQUENESS + OF_VALID, Col.UNIQUE, of_valid),
        over(pdb, adit, Metric.UNIQUENESS + OF_VALID, Col.UNIQUE_PDB, "molecules that pass adit_pdb_validity; SMILES"),
        over(table, strict, Metric.NOVELTY, Col.NOVEL, f"{ASKED}; valid and {against}"),
        over(valid, strict, Metric.NOVELTY + OF_VALID, Col.NOVEL, f"{of_valid}; {against}"),
        rater.rate(strict, Metric.UNIQUE_AND_NOVEL, both, f"{ASKED}; valid, distinct SMILES, {against}"),
        *_posebusters_records(table, rater),
    ]


def _posebusters_records(table: Records, rater: Rater) -> list[Record]:
    sent = [row for row in table if row[Col.POSEBUSTERS_STATUS] != "not_sent"]
    if not sent:
        return []
    checks: dict[str, tuple[str, ...]] = {posebusters_name(column): (column,) for column in POSEBUSTERS_COLUMNS}
    checks |= {Metric.POSEBUSTERS_ALL: POSEBUSTERS_COLUMNS, Metric.POSEBUSTERS_SEVEN: POSEBUSTERS_SEVEN}
    records = []
    for suffix, rows, basis in (
        ("", sent, "molecules asked for, of those within the number sent to PoseBusters"),
        (OF_VALID, [row for row in sent if row[Col.VALIDITY]], "strictly valid molecules among those sent"),
    ):
        for name, columns in checks.items():
            flags = [all(row[posebusters_name(column)] for column in columns) for row in rows]
            records.append(rater.rate(Protocol.POSEBUSTERS, name + suffix, flags, f"{basis}; config mol"))
    return records


def molecule_funnel(table: Records) -> list[dict[str, Any]]:
    """Return the funnel of the samples: asked, decoded, valid, unique, novel (molecules are not relaxed)."""
    columns = (("unique", Col.UNIQUE, "same SMILES as another"), ("novel", Col.NOVEL, "in the training split"))
    steps = [
        Step("decoded", ["" if row[Col.N_ATOMS] else plain_reason(row[Col.REASON]) for row in table]),
        Step("valid", ["" if row[Col.VALIDITY] else plain_reason(row[Col.REASON]) or "not valid" for row in table]),
        *(Step(name, ["" if row[column] else why for row in table]) for name, column, why in columns),
    ]
    return funnel("molecule", len(table), steps)
