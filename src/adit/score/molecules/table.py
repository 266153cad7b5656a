"""Molecules: the table with one row per requested molecule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from adit.columns import Col
from adit.elements import composition, hill
from adit.isolate import Outcome
from adit.posebusters import POSEBUSTERS_COLUMNS, posebusters_name
from adit.score.common.aggregate import representatives
from adit.score.common.inputs import Row
from adit.score.molecules.novelty import KnownNames
from adit.score.molecules.relaxed import Relaxation, relaxation_columns
from adit.score.molecules.validity import MoleculeChecks
from adit.systems import Failure

Records = list[dict[str, Any]]
"""Rows of a table, each by column."""

NO_BONDING: Final = "no bonding to check"
"""Reason of molecules that are not sent to slow checks, since no bonds fit their geometry."""


@dataclass(frozen=True)
class Evidence:
    """Results of the checks of one population, by id; a missing id was not sent.

    Attributes:
        checks: outcome of ``check_molecule``.
        busted: flags of PoseBusters, or a reason.
        relaxed: columns of the relaxation with GFN2-xTB, or a reason.
        dft: rows of the DFT relaxations.
    """

    checks: Mapping[str, Outcome] = field(default_factory=dict)
    busted: Mapping[str, dict[str, bool | None] | str] = field(default_factory=dict)
    relaxed: Mapping[str, Relaxation | str] = field(default_factory=dict)
    dft: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def molecule_rows(rows: Sequence[Row], evidence: Evidence, names_of_reference: KnownNames) -> Records:
    """Return the table of a population, failures included.

    Args:
        rows: systems and failures.
        evidence: results of the checks.
        names_of_reference: names of the training split; without any, novelty is unknown.
    """
    table = [_molecule_row(row, evidence.checks.get(row.system_id)) for row in rows]
    for name, unique in (
        (Col.SMILES, Col.UNIQUE),
        (Col.STEREO_SMILES, Col.UNIQUE_STEREO),
        (Col.INCHIKEY, Col.UNIQUE_INCHIKEY),
        (Col.PDB_SMILES, Col.UNIQUE_PDB),
        (Col.EDM_SMILES, Col.EDM_UNIQUE),
    ):
        chosen = representatives([(record[Col.SYSTEM_ID], record[name]) for record in table if record[name]])
        for record in table:
            record[unique] = record[Col.SYSTEM_ID] in chosen
    for record in table:
        for name, novel, names in (
            (Col.SMILES, Col.NOVEL, names_of_reference.smiles),
            (Col.STEREO_SMILES, Col.NOVEL_STEREO, names_of_reference.stereo_smiles),
            (Col.INCHIKEY, Col.NOVEL_INCHIKEY, names_of_reference.inchikeys),
        ):
            record[novel] = bool(record[name]) and record[name] not in names if names_of_reference.count else None
        system_id = record[Col.SYSTEM_ID]
        record |= _posebusters(evidence.busted.get(system_id))
        bonded = has_bonding(evidence.checks.get(system_id))
        record |= relaxation_columns(evidence.relaxed.get(system_id), bonded=bonded)
        record |= _dft(evidence.dft.get(system_id))
    return table


def has_bonding(outcome: Outcome | None) -> bool:
    """Return whether bonds were found in the geometry; without them a molecule is not sent to the slow checks."""
    ok = outcome is not None and outcome.status == "ok"
    return ok and isinstance(outcome.value, MoleculeChecks) and outcome.value.bonded  # type: ignore[union-attr]


def _dft(row: Mapping[str, Any] | None) -> dict[str, Any]:
    if row is None:
        return {Col.DFT_STATUS: None, Col.DFT_REASON: None}
    return {Col.DFT_STATUS: row[Col.STATUS], Col.DFT_REASON: row[Col.REASON] or None}


def _molecule_row(row: Row, outcome: Outcome | None) -> dict[str, Any]:
    record: dict[str, Any] = {Col.SYSTEM_ID: row.system_id, Col.STATUS: "ok", Col.REASON: "", Col.FORMULA: ""}
    record |= {Col.N_ATOMS: 0, Col.N_ELEMENTS: 0, **_values(None)}
    if isinstance(row, Failure):
        return record | {Col.STATUS: "failed", Col.REASON: f"{row.stage}: {row.reason}"}
    record |= {
        Col.FORMULA: hill(composition(row.numbers)),
        Col.N_ATOMS: len(row),
        Col.N_ELEMENTS: len(composition(row.numbers)),
    }
    if outcome is None or outcome.status != "ok":
        return record | {Col.STATUS: "failed", Col.REASON: f"checks: {outcome.reason if outcome else 'not run'}"}
    return record | _values(outcome.value) | {Col.REASON: outcome.value.reason}


def _values(checks: MoleculeChecks | None) -> dict[str, Any]:
    """Return the columns of one molecule's checks; false and empty values without checks."""
    names = checks.names if checks else None
    edm = checks.edm if checks else None
    return {
        Col.VALIDITY: bool(checks and checks.strict),
        Col.NEUTRAL_VALIDITY: bool(checks and checks.neutral),
        Col.PDB_VALIDITY: bool(checks and checks.pdb),
        Col.SMILES: names.smiles if names else "",
        Col.STEREO_SMILES: names.stereo_smiles if names else "",
        Col.INCHIKEY: names.inchikey if names else "",
        Col.PDB_SMILES: (checks.pdb_smiles if checks else None) or "",
        Col.EDM_STABLE_ATOMS: edm.n_stable if edm else 0,
        Col.EDM_STABLE: bool(edm and edm.stable),
        Col.EDM_VALIDITY: bool(edm and edm.smiles),
        Col.EDM_SMILES: (edm.smiles if edm else None) or "",
    }


def _posebusters(answer: dict[str, bool | None] | str | None) -> dict[str, Any]:
    names = {column: posebusters_name(column) for column in POSEBUSTERS_COLUMNS}
    if answer is None or isinstance(answer, str):
        status = "not_sent" if answer is None else "failed"
        return {Col.POSEBUSTERS_STATUS: status, Col.POSEBUSTERS_REASON: answer or ""} | dict.fromkeys(
            names.values(), False
        )
    unknown = [column for column, value in answer.items() if value is None]
    reason = f"not computed: {', '.join(unknown)}" if unknown else ""
    flags = {names[column]: bool(value) for column, value in answer.items()}
    return {Col.POSEBUSTERS_STATUS: "ok", Col.POSEBUSTERS_REASON: reason} | flags
