"""Molecules: rates and funnel from the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from adit.columns import OF_VALID, SUFFIX_INCHIKEY, SUFFIX_STEREO, Col, Metric, Population, Protocol
from adit.posebusters import POSEBUSTERS_COLUMNS, POSEBUSTERS_SEVEN, posebusters_name
from adit.score.common.aggregate import FunnelStep, Rater, RateRecord, funnel, plain_reason
from adit.score.common.measures import Measure, Measurer
from adit.score.molecules.relaxed import COMPARED
from adit.score.molecules.table import Records

METHOD: Final = "GFN2-xTB"
"""Method of the relaxations."""

REQUESTED: Final = "requested molecules"
"""Text for the denominator of most rates."""

NO_REFERENCE: Final = "not measured: no reference of this kind was given"
"""Basis of a rate that has no value without a reference."""

STRICT: Final = "bonds fit charge 0, one fragment, no radicals, sanitises, all hydrogens"
"""Definition of strict validity, for display."""


def molecule_records(table: Records, rater: Rater, n_train: int, posebusters_version: str) -> list[RateRecord]:
    """Return the rates of one population.

    Args:
        table: rows of ``molecule_rows``.
        rater: makes the records.
        n_train: number of training molecules; 0: novelty has no value, and its basis gives the reason.
        posebusters_version: version that defines its columns, part of their basis.
    """
    strict, adit = Protocol.STRICT, Protocol.ADIT
    pdb = [row for row in table if row[Col.PDB_VALIDITY]]

    def over(rows: Records, protocol: Protocol, metric: str, column: str, basis: str) -> RateRecord:
        return rater.rate(protocol, metric, (row[column] for row in rows), basis)

    return [
        over(table, strict, Metric.VALIDITY, Col.VALIDITY, f"{REQUESTED}; {STRICT}"),
        over(table, strict, Metric.NEUTRAL_VALIDITY, Col.NEUTRAL_VALIDITY, f"{REQUESTED}; {STRICT}; no charged atom"),
        over(table, adit, Metric.PDB_VALIDITY, Col.PDB_VALIDITY, f"{REQUESTED}; PDB round trip, largest fragment"),
        over(pdb, adit, Metric.UNIQUENESS + OF_VALID, Col.UNIQUE_PDB, "molecules that pass adit_pdb_validity; SMILES"),
        *_distinct_records(table, rater),
        *_novel_records(table, rater, n_train),
        *_edm_records(table, rater),
        *_posebusters_records(table, rater, posebusters_version),
        *_xtb_records(table, rater),
    ]


_NAMES: Final = (
    ("", "canonical SMILES without stereochemistry", Col.UNIQUE, Col.NOVEL),
    (SUFFIX_STEREO, "canonical SMILES with stereochemistry", Col.UNIQUE_STEREO, Col.NOVEL_STEREO),
    (SUFFIX_INCHIKEY, "InChIKey", Col.UNIQUE_INCHIKEY, Col.NOVEL_INCHIKEY),
)
"""Names that distinguish molecules: suffix of the metric, words, columns."""


def _distinct_records(table: Records, rater: Rater) -> list[RateRecord]:
    valid = [row for row in table if row[Col.VALIDITY]]
    records = []
    for suffix, by, unique, _ in _NAMES:
        for end, rows, basis in (("", table, REQUESTED), (OF_VALID, valid, f"strictly valid molecules ({STRICT})")):
            name = Metric.UNIQUENESS + suffix + end
            flags = (row[unique] for row in rows)
            records.append(rater.rate(Protocol.STRICT, name, flags, f"{basis}; distinct {by} of valid ones"))
    return records


def _novel_records(table: Records, rater: Rater, n_train: int) -> list[RateRecord]:
    valid = [row for row in table if row[Col.VALIDITY]]
    against = f"not in the training split ({n_train} molecules)"

    def rate(name: str, flags: list[bool], basis: str) -> RateRecord:
        return rater.rate(Protocol.STRICT, name, flags if n_train else (), basis if n_train else NO_REFERENCE)

    records = []
    for suffix, by, unique, novel in _NAMES:
        for end, rows, basis in (("", table, REQUESTED), (OF_VALID, valid, f"strictly valid molecules ({STRICT})")):
            flags = [row[novel] for row in rows]
            records.append(rate(Metric.NOVELTY + suffix + end, flags, f"{basis}; valid and {by} {against}"))
        both = [row[unique] and row[novel] for row in table]
        records.append(rate(Metric.UNIQUE_AND_NOVEL + suffix, both, f"{REQUESTED}; valid, distinct {by}, {against}"))
    return records


def _edm_records(table: Records, rater: Rater) -> list[RateRecord]:
    edm, by = Protocol.EDM, "EDM's table of bond lengths"
    valid = [row for row in table if row[Col.EDM_VALIDITY]]
    stable_atoms, atoms = sum(row[Col.EDM_STABLE_ATOMS] for row in table), sum(row[Col.N_ATOMS] for row in table)
    return [
        rater.ratio(edm, Metric.ATOM_STABILITY, stable_atoms, atoms, f"atoms of molecules that decoded; {by}"),
        rater.rate(edm, Metric.MOLECULE_STABILITY, (r[Col.EDM_STABLE] for r in table), f"{REQUESTED}; {by}"),
        rater.rate(edm, Metric.VALIDITY, (r[Col.EDM_VALIDITY] for r in table), f"{REQUESTED}; {by}, RDKit sanitises"),
        rater.rate(
            edm,
            Metric.UNIQUENESS + OF_VALID,
            (r[Col.EDM_UNIQUE] for r in valid),
            f"molecules that pass edm validity; {by}, SMILES of the largest fragment",
        ),
    ]


def _posebusters_records(table: Records, rater: Rater, version: str) -> list[RateRecord]:
    sent = [row for row in table if row[Col.POSEBUSTERS_STATUS] != "not_sent"]
    if not sent:
        return []
    checks: dict[str, tuple[str, ...]] = {posebusters_name(column): (column,) for column in POSEBUSTERS_COLUMNS}
    checks |= {Metric.POSEBUSTERS_ALL: POSEBUSTERS_COLUMNS, Metric.POSEBUSTERS_SEVEN: POSEBUSTERS_SEVEN}
    records = []
    for suffix, rows, basis in (
        ("", sent, "requested molecules, within the number sent to PoseBusters"),
        (OF_VALID, [row for row in sent if row[Col.VALIDITY]], "strictly valid molecules among those sent"),
    ):
        for name, columns in checks.items():
            flags = [all(row[posebusters_name(column)] for column in columns) for row in rows]
            text = f"{basis}; posebusters {version}, config mol"
            records.append(rater.rate(Protocol.POSEBUSTERS, name + suffix, flags, text))
    return records


def _xtb_records(table: Records, rater: Rater) -> list[RateRecord]:
    sent = [row for row in table if row[Col.XTB_STATUS] != "not_sent"]
    if not sent:
        return []
    basis = f"those within the number relaxed with {METHOD}; converged, with the same bonds"
    kept = [row[Col.XTB_STATUS] == "converged" and row[Col.XTB_SAME] for row in sent]
    of_valid = [kept for kept, row in zip(kept, sent, strict=True) if row[Col.VALIDITY]]
    xtb, name = Protocol.XTB, Metric.XTB_KEPT
    return [
        rater.rate(xtb, name, kept, f"{REQUESTED}, of {basis}"),
        rater.rate(xtb, name + OF_VALID, of_valid, f"strictly valid molecules, of {basis}"),
    ]


def xtb_measures(table: Records, measurer: Measurer) -> list[Measure]:
    """Return the medians of relaxation energy (eV) and displacement (Å); none if nothing was relaxed."""
    if all(row[Col.XTB_STATUS] == "not_sent" for row in table):
        return []
    ordered = sorted(table, key=lambda row: str(row[Col.SYSTEM_ID]))
    done = [row for row in ordered if row[Col.XTB_STATUS] == "converged" and row[Col.VALIDITY]]
    basis = f"strictly valid molecules that {METHOD} relaxed; median"
    return [
        measurer.measure(Metric.XTB_ENERGY, measurer.median([r[Col.XTB_ENERGY] for r in done]), "eV", basis),
        measurer.measure(Metric.XTB_RMSD, measurer.median([r[Col.XTB_RMSD] for r in done]), "Å", basis),
    ]


def property_measures(properties: Mapping[str, Mapping[str, Sequence[float]]], measurer: Measurer) -> list[Measure]:
    """Return the distances of the samples' distributions of properties to those of the training control row.

    Args:
        properties: values by population and property, in the units of the columns.
        measurer: makes the measures of the samples.
    """
    mine, data = properties.get(Population.SAMPLES, {}), properties.get(Population.TRAIN, {})
    if not any(data.get(name) for name in COMPARED):
        return []
    basis = "molecules that are strictly valid after relaxation; Wasserstein distance to the training control row"
    return [
        measurer.measure(
            f"{name}_distance",
            measurer.wasserstein([[value] for value in mine.get(name, ())], data.get(name, ())),
            name.unit,
            basis,
        )
        for name in COMPARED
    ]


def molecule_funnel(table: Records, with_novelty: bool) -> list[dict[str, Any]]:
    """Return the funnel of the samples: asked, decoded, valid, bonding kept, unique, novel, DFT."""
    columns = [("unique", Col.UNIQUE, "same SMILES as another")]
    if with_novelty:
        columns.append(("novel", Col.NOVEL, "in the training split"))
    kept = [FunnelStep("bonding kept", [_why_not_kept(row) for row in table])]
    dft = [FunnelStep("DFT", [_why_no_dft(row) for row in table])]
    steps = [
        FunnelStep("decoded", ["" if row[Col.N_ATOMS] else plain_reason(row[Col.REASON]) for row in table]),
        FunnelStep(
            "valid", ["" if row[Col.VALIDITY] else plain_reason(row[Col.REASON]) or "not valid" for row in table]
        ),
        *(kept if any(row[Col.XTB_STATUS] != "not_sent" for row in table) else ()),
        *(FunnelStep(name, ["" if row[column] else why for row in table]) for name, column, why in columns),
        *(dft if any(row[Col.DFT_STATUS] for row in table) else ()),
    ]
    return funnel("molecule", len(table), steps)


def _why_not_kept(row: Mapping[str, Any]) -> str:
    if row[Col.XTB_STATUS] == "not_sent":
        return "not relaxed"
    if row[Col.XTB_STATUS] != "converged":
        return f"relaxation {row[Col.XTB_STATUS]}"
    return "" if row[Col.XTB_SAME] else "bonds changed in relaxation"


def _why_no_dft(row: Mapping[str, Any]) -> str:
    status = row[Col.DFT_STATUS]
    return "" if status == "converged" else f"DFT {status}" if status else "not selected"
