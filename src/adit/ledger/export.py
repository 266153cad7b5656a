"""Candidates of a ledger as files: a CSV table, CIF and extended XYZ, and the page with filters.

Writes: ledger.csv, structures/<id>.cif, molecules.extxyz, index.html, data/<kind>.js, assets/
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from adit import convert, store
from adit.columns import Col
from adit.ledger import candidates
from adit.ledger.database import opened
from adit.ledger.gather import KINDS
from adit.ledger.query import query
from adit.ledger.texts import from_text
from adit.outputs.replace import replaced_folder
from adit.progress import log, quantity
from adit.report.candidates import fields, frames
from adit.report.candidates.data import CHUNK, Written, without_claims, write_table
from adit.report.page import assets
from adit.report.page.build import environment
from adit.systems import AtomicSystem, Kind

FIRST: Final = (
    fields.Field("state", "status", "state", "last mark"),
    fields.Field("members", "number", "members", "structures that were merged"),
    fields.Field("runs", "number", "runs", "runs that made it"),
    fields.Field(Col.HULL_COVERS_CHEMISTRY, "flag", hint=Col.HULL_COVERS_CHEMISTRY.help),
)
"""Columns of the page that only a ledger has."""


@dataclass(frozen=True)
class ExportedCandidate:
    """A candidate with the structures of its best member.

    Attributes:
        record: values of all columns.
        generated: the structure as sampled.
        relaxed: the structure after relaxation; ``None`` if it was not relaxed.
    """

    record: dict[str, Any]
    generated: AtomicSystem
    relaxed: AtomicSystem | None

    @property
    def last(self) -> AtomicSystem:
        """Return the structure after its last step."""
        return self.relaxed or self.generated


def export_candidates(path: Path, text: str, out: Path) -> None:
    """Write the candidates that fulfil a condition into a folder.

    Args:
        path: the ledger.
        text: the condition; empty: all candidates.
        out: the folder.

    Raises:
        ConfigError: the condition cannot be read or names an unknown column, or a file to write was not written by this
            verb.
        DataError: there is no such ledger.
    """
    import pandas as pd

    with opened(path) as base:
        names = candidates.columns(base)
        answer = query(path, text, names)
        records = [dict(zip(names, row, strict=True)) for row in answer.rows]
        kept = [_kept(base, record) for record in records]
    with replaced_folder(out, "ledger", inputs=[path], names=["ledger.csv", "index.html"]) as new:
        store.write_frame(new / "ledger.csv", pd.DataFrame(records, columns=names).dropna(axis=1, how="all"))
        for one in kept:
            if one.generated.kind is not Kind.MOLECULE:
                store.write_text(new / f"structures/{one.record['id']}.cif", convert.to_cif(one.last))
        molecules = [one.last for one in kept if one.generated.kind is Kind.MOLECULE]
        if molecules:
            store.write_extxyz(new / "molecules.extxyz", molecules)
        _page(path, text, kept, new)
    log.info("%s: %s; page: %s", path, quantity(len(kept), "candidate"), out / "index.html")


def _kept(base: sqlite3.Connection, record: dict[str, Any]) -> ExportedCandidate:
    """Return a candidate with the structures of the member whose values it has."""
    query_text = f"""SELECT members.generated, members.relaxed
                     FROM candidates JOIN members USING (candidate) JOIN runs ON members.run = runs.run
                     WHERE candidates.id = ? ORDER BY {candidates.BEST} LIMIT 1"""
    generated, relaxed = base.execute(query_text, [record["id"]]).fetchone()
    name = str(record["id"])
    return ExportedCandidate(record, from_text(generated, name), None if relaxed is None else from_text(relaxed, name))


def _page(path: Path, text: str, kept: Sequence[ExportedCandidate], out: Path) -> None:
    """Write the page: one table with filters a kind."""
    kinds = []
    for kind in KINDS:
        chosen = [one for one in kept if one.record["kind"] == kind]
        if chosen:
            kinds.append({"name": kind, "written": _write_kind(kind, chosen, out / "data")})
    assets.write(out / "assets")
    page = environment().get_template("ledger.html")
    store.write_text(
        out / "index.html", page.render(ledger=path.name, condition=text.strip(), kinds=kinds, total=len(kept))
    )


def _write_kind(kind: str, kept: Sequence[ExportedCandidate], folder: Path) -> Written:
    import pandas as pd

    frame = pd.DataFrame([{**one.record, str(Col.SYSTEM_ID): one.record["id"]} for one in kept])
    frame = frame.drop(columns=["id", "kind"]).dropna(axis=1, how="all")
    flags = [str(name) for name in frame if set(frame[name].dropna().unique().tolist()) <= {0, 1}]
    for name in flags:
        if fields.is_flag(kind, name):
            frame[name] = frame[name].map({0: False, 1: True})
    if Col.HULL_COVERS_CHEMISTRY in frame:
        frame = without_claims(frame, frame[Col.HULL_COVERS_CHEMISTRY].fillna(True).astype(bool))
    steps = [frames.path([("generated", one.generated), ("relaxed", one.relaxed)]) for one in kept]
    parts = [steps[start : start + CHUNK] for start in range(0, len(steps), CHUNK)]
    return write_table(kind, frame, parts, folder, FIRST)
