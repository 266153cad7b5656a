"""Runs in a ledger: unknown hulls, copies and moves, broken ones beside good ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from adit.cli import main
from adit.ledger import candidates
from adit.ledger.add import add
from adit.ledger.database import opened
from adit.systems import AtomicSystem
from tests.unit.ledger.runs import caesium, rows, salt, write_run


def test_an_unknown_hull_is_never_on_top_nor_stable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The salt is known on one hull of two; caesium's chemistry has none, and the protocols' flags say stable."""
    path, flags = tmp_path / "ledger.sqlite", {"stable_adit": [True], "metastable_adit": [True], "sun_adit": [True]}

    def run(name: str, crystal: AtomicSystem, energy: float, covers: bool | None) -> Path:
        values = {"e_above_hull": [energy], "verdict": ["stable" if covers else "unknown hull"], **flags}
        extra = {} if covers is None else {"hull_covers_chemistry": [covers]}
        return write_run(tmp_path / name, [crystal], {**values, **extra})

    runs = [
        run("a", salt("crystal-0-0", 55), -2.03, False),
        run("b", salt("crystal-0-0"), -1.5, False),
        run("c", salt("crystal-0-0", shift=0.1), 0.02, True),
        run("d", salt("crystal-0-0", 35, 5.97), -3.0, None),
    ]
    add(path, runs, 1)
    columns = ("e_above_hull", "hull_covers_chemistry", "stable", "metastable", "sun", "stable_adit")
    assert rows(path, "e_above_hull < 0.05 and novel", *columns) == [
        (0.02, 1, 1, 1, 1, 1),
        (-3.0, None, 1, 1, 1, 1),
        (-2.03, 0, None, None, None, 1),
    ]
    assert rows(path, "e_above_hull < 0.05 and hull_covers_chemistry", "e_above_hull") == [(0.02,)]
    assert len(rows(path, "verdict != 'unknown hull'", "id")) == 1
    assert main(["ledger", "query", "novel", "--ledger", str(path)]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert "hull_covers_chemistry" in shown[0]
    assert "verdict" in shown[0]
    assert "unknown hull" in shown[3]
    assert main(["ledger", "export", "novel", "--out", str(tmp_path / "out"), "--ledger", str(path)]) == 0
    text = (tmp_path / "out/data/crystal.js").read_text().split('window.adit.table("crystal",')[1].rstrip().rstrip(");")
    page = json.loads(text)
    for name in ("stable", "sun", "stable_adit", "sun_adit"):
        assert page["values"][name] == [1, 1, None], name
    assert page["values"]["hull_covers_chemistry"] == [1, None, 0]
    assert {one["name"]: one["shown"] for one in page["columns"]}["hull_covers_chemistry"]


def test_a_copy_of_a_run_is_the_same_run(runs: list[Path], tmp_path: Path) -> None:
    """Copied, grown since, and moved; a run that changed at its path is updated too."""
    path = tmp_path / "ledger.sqlite"
    add(path, runs, 1)
    before = rows(path, "", "id", "members", "runs", "run")
    copy = Path(shutil.copytree(runs[1], tmp_path / "copy"))
    write_run(copy, [caesium("crystal-0-0"), salt("crystal-0-1", shift=0.3)], {"gap": [1.5, 2.5]})
    add(path, [copy], 1)
    assert rows(path, "", "id", "members", "runs", "run") == before
    assert len(rows(path, "gap > 1", "id")) == 1
    grown = [caesium("crystal-0-0"), salt("crystal-0-1", shift=0.3), salt("crystal-0-2", 53, 6.4)]
    write_run(copy, grown)
    add(path, [copy], 1)
    assert sorted(rows(path, "", "members")) == [(1,), (1,), (1,), (3,)]
    shutil.rmtree(runs[1])
    moved = copy.rename(tmp_path / "moved")
    add(path, [moved], 1)
    with opened(path) as base:
        paths = {Path(each).name for (each,) in base.execute("SELECT path FROM runs")}
    assert paths == {"a", "c", "moved"}
    assert {Path(str(run)).name for (run,) in rows(path, "members = 1", "run")} == {"a", "moved"}
    write_run(runs[2], [caesium("crystal-0-0", 35)])
    add(path, [runs[2]], 1)
    with opened(path) as base:
        assert base.execute("SELECT count(*) FROM runs").fetchone() == (3,)


def test_a_broken_run_keeps_no_other_from_being_added(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ledger.sqlite"
    (runs[0] / "scores/crystal.parquet").write_bytes(b"PAR1 and no more")
    write_run(runs[1], [salt("crystal-0-0")], {f"value_{n}": [1.0] for n in range(candidates.MOST_COLUMNS)})
    words = ["--ledger", str(path)]
    for broken in runs[:2]:
        assert main(["ledger", "add", str(broken), *words]) == 3
        assert not list(tmp_path.glob("ledger*")), "a new ledger of nothing"
    capsys.readouterr()
    assert main(["ledger", "add", *map(str, runs), *words]) == 3
    lines = capsys.readouterr().err.splitlines()
    assert sum(str(runs[0]) in line for line in lines) == 1
    assert lines[-1].endswith(f"{path}: 2 of 3 runs not added, for the reasons above; repair them and add them again")
    assert [Path(str(run)).name for (run,) in rows(path, "", "run")] == ["c"]
