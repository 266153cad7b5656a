"""The paper's tables 2 and 3, and generated MOFs (Fig. 12), in the report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from adit import store
from adit.report.candidates import gallery
from adit.report.paper import tables
from adit.report.run.inputs import load_run
from adit.systems import Kind
from tests.unit.report.test_page import rate, salt, write_run


@pytest.mark.parametrize(
    ("name", "metric", "protocol", "model", "published"),
    [
        ("table-2a", "adit_pdb_validity", "adit", "ADiT joint", 94.5),
        ("table-2b", "posebusters_bond_lengths_of_valid", "posebusters", None, None),
        ("table-3", "mofchecker_all", "mofchecker", "ADiT QMOF-only", 15.7),
    ],
)
def test_tables_hold_the_published_numbers_beside_the_runs(
    name: str, metric: str, protocol: str, model: str | None, published: float | None
) -> None:
    (table,) = (table for table in tables.TABLES if table.name == name)
    frame = tables.build(table, [rate(table.kind, "samples", metric, protocol, 1)], None)
    assert frame is not None
    rows = frame.set_index("model")
    assert rows.loc["this run", metric] == 25.0
    if model is not None:
        assert rows.loc[model, metric] == published


def test_the_gallery_shows_mofs(tmp_path: Path) -> None:
    write_run(tmp_path)
    mofs = [replace(salt(f"mof-0-{n}"), kind=Kind.MOF) for n in range(2)]
    store.write_systems(tmp_path / "samples/mof/0.arrow", mofs)
    run = load_run(tmp_path, "{}")
    run.scores["mof"] = run.scores["crystal"].assign(system_id=["mof-0-0", "mof-0-1", "mof-0-2"])
    cards = gallery.crystals(run, 5, "mof")
    assert [card.system_id for card in cards] == ["mof-0-0", "mof-0-1"]
