"""What the tests of the ledger share: runs, and comparisons in the process of the test."""

from __future__ import annotations

from pathlib import Path

import pytest

from adit.ledger import merge
from adit.score.matching.fingerprints import reduce_crystal
from adit.score.matching.linking import link
from tests.unit.ledger.runs import caesium, salt, write_run


@pytest.fixture(autouse=True)
def no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reduce and compare in this process: a worker takes seconds to start."""
    monkeypatch.setattr(merge, "reduce_all", lambda rows, **_: [reduce_crystal(row) for row in rows])
    monkeypatch.setattr(merge, "run_links", lambda tasks, **_: [link(task) for task in tasks])


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Three runs: a salt in each, once moved and once strained; two other crystals."""
    return [
        write_run(tmp_path / "a", [salt("crystal-0-0"), salt("crystal-0-1", 35, 5.97)]),
        write_run(tmp_path / "b", [caesium("crystal-0-0"), salt("crystal-0-1", shift=0.3)]),
        write_run(tmp_path / "c", [salt("crystal-0-0", edge=5.7)]),
    ]
