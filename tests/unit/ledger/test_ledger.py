"""The ledger: what is merged, whatever the order; states; refusals; two writers; a kill at any instant."""

from __future__ import annotations

import itertools
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from adit.cli import main
from adit.errors import ConfigError, DataError, ExternalToolError
from adit.ledger import candidates, database
from adit.ledger.add import add
from adit.ledger.database import APPLICATION, VERSION, opened
from adit.ledger.query import history, mark, query
from tests.unit.ledger.runs import WEIGHTS, rows, salt, water, write_molecules, write_run


def test_duplicates_are_one_candidate_with_the_best_values(runs: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    add(path, runs, 1)
    result = rows(path, "", "formula", "members", "runs", "e_above_hull", "dit_sha256", "seed")
    assert sorted(row[1] for row in result) == [1, 1, 3]
    (salts,) = [row for row in result if row[1] == 3]
    assert salts[2:] == (3, 0.0, WEIGHTS, 7)
    (one,) = rows(path, "members = 3", "id")
    members, marks = history(path, str(one[0]))
    names = [Path(run).name for run, _, _ in members]
    assert (sorted(names[:2]), names[2]) == (["a", "c"], "b")
    assert not marks


def test_the_order_of_runs_does_not_matter(runs: list[Path], tmp_path: Path) -> None:
    answers = []
    for number, order in enumerate(itertools.permutations(runs)):
        path = tmp_path / f"{number}.sqlite"
        for run in order:
            add(path, [run], 1)
        answers.append(rows(path, "", "id", "members", "e_above_hull", "run"))
    assert len({str(answer) for answer in answers}) == 1


def test_a_crystal_between_two_joins_them_and_keeps_their_marks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether two fit is no equivalence: the third makes one of two candidates, and both old ids still name it."""
    path = tmp_path / "ledger.sqlite"
    edges = {"a": 5.0, "b": 6.0, "c": 5.5}
    for name, edge in edges.items():
        write_run(tmp_path / name, [salt("crystal-0-0", edge=edge)])
    from adit.ledger import add as adding

    def near(new, there, workers):  # type: ignore[no-untyped-def]
        pairs = [(one, other) for one in new for other in there if one.number != other.number]
        return [(one.number, other.number) for one, other in pairs if abs(volume(one) - volume(other)) < 14]

    def volume(peer):  # type: ignore[no-untyped-def]
        return peer.reduced.volume

    monkeypatch.setattr(adding, "matching_pairs", near)
    add(path, [tmp_path / "a", tmp_path / "b"], 1)
    ids = [str(row[0]) for row in rows(path, "", "id")]
    assert len(ids) == 2
    mark(path, [ids[1]], "queued", "first")
    mark(path, [ids[0]], "dft done")
    add(path, [tmp_path / "c"], 1)
    (row,) = rows(path, "state = 'dft-done'", "id", "members", "comment")
    assert row[1:] == (3, "")
    for old in ids:
        assert [one[1:] for one in history(path, old)[1]] == [("queued", "first"), ("dft-done", "")]


def test_a_run_added_again_brings_its_new_scores_alone(runs: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    add(path, runs, 1)
    before = rows(path, "", "id", "members")
    write_run(runs[2], [salt("crystal-0-0", edge=5.7)], {"gap": [1.5]})
    add(path, runs, 1)
    assert rows(path, "", "id", "members") == before
    with opened(path) as base:
        assert base.execute("SELECT count(*) FROM members").fetchone() == (5,)


def test_molecules_are_merged_by_smiles(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    run = write_molecules(tmp_path / "m", [water("m-0"), water("m-1", 0.97), water("m-2", 2.0)], ["O", "O", ""])
    add(path, [run], 1)
    assert sorted(rows(path, "", "smiles", "members"), key=str) == [("O", 2), (None, 1)]


def test_what_is_missing_or_unknown_is_one_line(runs: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with pytest.raises(DataError, match="no such ledger; fill one with"):
        query(path, "")
    with pytest.raises(DataError, match="no such run"):
        add(path, [tmp_path / "absent"], 1)
    add(path, runs[:1], 1)
    with pytest.raises(ConfigError, match="no column 'e_above_hul'; near: e_above_hull"):
        query(path, "e_above_hul < 1")
    with pytest.raises(ConfigError, match="no state 'burnt'; states are new, queued"):
        mark(path, ["ab"], "burnt")
    with pytest.raises(DataError, match="no candidate 000000000000000"):
        mark(path, ["0" * 15], "made")
    with pytest.raises(ConfigError, match="'' is no id"):
        mark(path, [""], "made")
    assert rows(path, "state != 'new'", "id") == []


def test_synthesised_is_another_word_for_made(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ledger.sqlite"
    add(path, runs, 1)
    ids = [str(row[0]) for row in rows(path, "", "id")]
    assert mark(path, ids[:1], "Synthesised") == mark(path, ids[1:2], "made") == "made"
    assert mark(path, ids[2:], "DFT done") == "dft-done"
    with opened(path) as base:
        assert base.execute("SELECT state, count(*) FROM marks GROUP BY state ORDER BY state").fetchall() == [
            ("dft-done", 1),
            ("made", 2),
        ]
    for text in ("state = 'made'", "state = 'synthesised'", "not state in ('new', 'DFT done')"):
        assert {row[0] for row in rows(path, text, "id")} == set(ids[:2])
    with pytest.raises(ConfigError, match="no state 'burnt'; states are new, queued"):
        query(path, "state = 'burnt'")
    with pytest.raises(SystemExit):
        main(["ledger", "mark", "--help"])
    assert "synthesised" in capsys.readouterr().out


def test_one_candidate_is_singular(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--ledger", str(tmp_path / "ledger.sqlite")]
    run = write_run(tmp_path / "a", [salt("crystal-0-0")])
    assert main(["ledger", "add", str(run), *flags]) == 0
    assert main(["ledger", "query", *flags]) == 0
    assert main(["ledger", "export", "--out", str(tmp_path / "out"), *flags]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert sum("1 candidate" in line for line in lines) == 3
    assert "1 structure added (1 new candidate), 0 updated" in lines[0]
    page = (tmp_path / "out/index.html").read_text()
    assert ">1 candidate." in page
    assert "search 1 row" in page
    for text in (*lines, page):
        assert not re.search(r"\b1 (new )?(candidates|structures|rows)\b", text), text


def test_another_file_is_never_taken_for_a_ledger(runs: list[Path], tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("my notes " * 100)
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as base:
        base.execute("CREATE TABLE mine (x)")
    newer = tmp_path / "newer.sqlite"
    with sqlite3.connect(newer) as base:
        base.execute(f"PRAGMA application_id = {APPLICATION}")
        base.execute(f"PRAGMA user_version = {VERSION + 1}")
    for path, message in ((text, "is no SQLite file"), (other, "no ledger of this package"), (newer, "of version 2")):
        before = path.read_bytes()
        with pytest.raises((DataError, ConfigError), match=message):
            add(path, runs, 1)
        assert path.read_bytes() == before
    with pytest.raises(DataError, match="no plain file"):
        add(tmp_path, runs, 1)


def test_a_locked_ledger_is_one_line(runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.sqlite"
    add(path, runs[:1], 1)
    (one,) = rows(path, "", "id")[:1]
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(database.opened.__wrapped__, "__kwdefaults__", {"create": False, "patience_s": 0.1})
    with pytest.raises(ExternalToolError, match="another process writes to this ledger"):
        mark(path, [str(one[0])], "made")
    other.close()
    mark(path, [str(one[0])], "made")


SCRIPT = """
import sys
from pathlib import Path
from adit.ledger.add import add
add(Path(sys.argv[1]), [Path(each) for each in sys.argv[2:]], 1)
"""


def start(path: Path, *runs: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", SCRIPT, str(path), *map(str, runs)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def test_two_writers_at_once_lose_nothing(runs: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    both = [start(path, runs[0], runs[1]), start(path, runs[1], runs[2])]
    for process in both:
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors.decode()
    alone = tmp_path / "alone.sqlite"
    add(alone, runs, 1)
    columns = ("id", "members", "runs", "e_above_hull", "run")
    assert rows(path, "", *columns) == rows(alone, "", *columns)


def test_a_ledger_that_another_process_makes_at_this_moment_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, connect = tmp_path / "ledger.sqlite", sqlite3.connect

    class Interrupted(sqlite3.Connection):
        def execute(self, *words: Any) -> sqlite3.Cursor:
            if words[0] == "PRAGMA user_version":
                monkeypatch.setattr(sqlite3, "connect", connect)
                with suppress(ExternalToolError), opened(path, create=True, patience_s=0.1):
                    pass
            return super().execute(*words)

    monkeypatch.setattr(sqlite3, "connect", partial(connect, factory=Interrupted))
    with opened(path, create=True) as base:
        assert base.execute("SELECT count(*) FROM members").fetchone() == (0,)


def test_a_kill_at_any_statement_leaves_whole_runs(runs: list[Path], tmp_path: Path) -> None:
    """The process kills itself after each of the writes of a run in turn; repeated, all is there."""
    reference = tmp_path / "reference.sqlite"
    add(reference, runs[:2], 1)
    expected = rows(reference, "", "id", "members")
    first = tmp_path / "first.sqlite"
    add(first, runs[:1], 1)
    after_one = rows(first, "", "id", "members")
    for at in (0, 1, 4, 9):
        path = tmp_path / f"killed-{at}.sqlite"
        path.write_bytes(first.read_bytes())
        pid = os.fork()
        if pid == 0:
            _killed(path, runs[1], at)
        _, status = os.waitpid(pid, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL
        assert rows(path, "", "id", "members") == after_one
        add(path, [runs[1]], 1)
        assert rows(path, "", "id", "members") == expected


def _killed(path: Path, run: Path, at: int) -> None:
    """Add a run and kill this process after the given number of writes."""
    from adit.ledger.add import _add
    from adit.ledger.gather import gather

    with opened(path) as base:
        base.execute("PRAGMA cache_size = 1")  # pages go to the file before the end of the transaction
        left = at

        def count(statement: str) -> None:
            nonlocal left
            if statement.startswith(("INSERT", "UPDATE", "DELETE", "ALTER")):
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                    time.sleep(60)

        base.set_trace_callback(count)
        candidates.refresh(base, [])
        _add(base, run, gather(run), 1)
    os._exit(0)


def test_the_verbs(runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "ledger.sqlite", tmp_path / "out"
    run = write_molecules(runs[0], [water("m-0")], ["O"])
    flags = ["--ledger", str(path)]
    assert main(["ledger", "add", str(run), str(runs[1]), *flags]) == 0
    assert main(["ledger", "query", "e_above_hull < 0.05 and novel", "--columns", "id", "formula", *flags]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["id", "formula"]
    assert len(lines) == 3
    name = lines[1].split()[0]
    assert main(["ledger", "mark", name[:8], "synthesised", "--comment", "batch 3", *flags]) == 0
    assert main(["ledger", "show", name, *flags]) == 0
    shown = capsys.readouterr()
    assert "made   batch 3" in shown.out
    assert f"{name[:8]}: made" in shown.err
    assert main(["ledger", "export", "--out", str(out), *flags]) == 0
    assert len(list((out / "structures").glob("*.cif"))) == 3
    assert "batch 3" in (out / "ledger.csv").read_text()
    assert '"made"' in (out / "data/crystal.js").read_text()
    assert (out / "molecules.extxyz").read_text().startswith("3\n")
    assert 'src="data/molecule.js"' in (out / "index.html").read_text()
    assert main(["ledger", "export", "state = 'made'", "--out", str(out), *flags]) == 0
    assert len(list((out / "structures").glob("*.cif"))) == 1
    assert main(["ledger", "query", "1 <", *flags]) == 2


def test_a_ledger_has_columns_of_any_name_and_number(runs: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    odd = {'it\'s "odd" `x`; --': [1.5], "GAP": [2.0], "gap": [3.0]}
    many = {f"a_column_with_quite_a_long_name_{n}": [float(n)] for n in range(600)}
    write_run(runs[2], [salt("crystal-0-0", edge=5.7)], odd | many)
    add(path, [runs[2]], 1)
    assert rows(path, "a_column_with_quite_a_long_name_7 = 7", 'it\'s "odd" `x`; --') == [(1.5,)]
    assert main(["ledger", "export", "--out", str(tmp_path / "out"), "--ledger", str(path)]) == 0
    assert "a_column_with_quite_a_long_name_599" in (tmp_path / "out/ledger.csv").read_text()


def test_clean_leaves_a_ledger(runs: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "results/ledger.sqlite"
    add(path, runs[:1], 1)
    assert main(["ledger", "export", "--out", str(tmp_path / "results/out"), "--ledger", str(path)]) == 0
    assert main(["clean", str(tmp_path / "results")]) == 0
    assert path.is_file()
    assert not (tmp_path / "results/out").exists()
