"""MOFs through a stand-in of MOFChecker: each in its own process, whatever one of them does."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from adit.config import Config, ScoreConfig, ScoreStage
from adit.errors import ExternalToolError
from adit.isolate import Outcome
from adit.score.common.aggregate import Rater
from adit.score.common.inputs import Reference
from adit.score.mofs.run import ALL_PASSED, mof_funnel, mof_records, mof_rows, score_mofs
from adit.score.tools import mofchecker
from adit.score.tools.mofchecker import METRICS, MofChecks, check_all, metric_name, probe
from adit.systems import AtomicSystem, Failure, Kind
from tests.processes import ends

STAND_IN = """
import os, signal, time

class MOFChecker:
    def __init__(self, structure):
        self.symbols = {site.specie.symbol for site in structure}
        print("noise of a library")
        if "Xe" in self.symbols:
            os.kill(os.getpid(), signal.SIGSEGV)
        if "Ar" in self.symbols:
            time.sleep(600)
        if "Ne" in self.symbols:
            raise NotImplementedError("no such element")

    def __getattr__(self, name):
        if name == "has_lone_molecule" and "Kr" in self.symbols:
            raise ValueError("no graph")
        return {"has_carbon": "C", "has_hydrogen": "H", "has_metal": "Zn"}.get(name) in self.symbols
"""


def mof(system_id: str, *numbers: int) -> AtomicSystem:
    positions = np.arange(3 * len(numbers)).reshape(-1, 3) * 1.0
    return AtomicSystem(system_id, Kind.MOF, np.array(numbers), positions, np.eye(3) * 20)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return an interpreter that finds the stand-in."""
    folder = tmp_path_factory.mktemp("mofchecker")
    (folder / "mofchecker").mkdir()
    (folder / "mofchecker/__init__.py").write_text(STAND_IN)
    (folder / "pyeqeq").mkdir()
    (folder / "pyeqeq/__init__.py").write_text("")
    (folder / "pyeqeq/main.py").write_text("")
    for name in ("mofchecker", "pyeqeq", "libconeangle", "structuregraph_helpers"):
        info = folder / f"{name}-9.9.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\n")
    start = folder / "python"
    code = f"import sys, runpy; sys.path.insert(0, {str(folder)!r}); sys.argv = sys.argv[2:]; "
    code += "runpy.run_path(sys.argv[0], run_name='__main__')"
    start.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{code}" "$@"\n')
    start.chmod(0o755)
    return str(start)


def test_versions_are_those_of_the_other_python(python: str) -> None:
    assert probe(python)["mofchecker"] == "9.9"


def test_a_crash_a_hang_and_an_error_touch_nobody_else(python: str) -> None:
    systems = [mof("good", 30, 6, 1), mof("crash", 54, 6), mof("metal-free", 6, 1), mof("hang", 18), mof("error", 10)]
    systems += [mof("no-answer", 36, 30, 6, 1), mof("last", 30, 6, 1)]
    outcomes = check_all(systems, python=python, workers=1, wall_limit_s=8.0)
    assert [each.status for each in outcomes] == ["ok", "error", "ok", "timeout", "error", "ok", "ok"]
    assert outcomes[0].value.all_passed
    assert "signal 11" in outcomes[1].reason
    assert [name for name, passed in outcomes[2].value.passed.items() if not passed] == ["mofchecker_has_metal"]
    assert "NotImplementedError" in outcomes[4].reason
    assert "no graph" in outcomes[5].value.reasons["mofchecker_no_lone_molecule"]
    assert not outcomes[5].value.all_passed
    assert outcomes[6].value == outcomes[0].value


def test_rows_rates_and_funnel(python: str) -> None:
    stage = Config(score=ScoreConfig(mof_controls=1, mofchecker_python=python)).stage(ScoreStage)
    rows = [mof("a", 30, 6, 1), mof("b", 6, 1), Failure("c", "decode", "no atoms", Kind.MOF), mof("d", 10)]
    reference = Reference([mof("r0", 30, 6, 1), mof("r1", 30, 6, 1)], ["train", "test"])
    scored = score_mofs(stage, rows, reference, workers=1)
    assert [row["system_id"] for row in scored.table] == ["a", "b", "c", "d"]
    assert [row[ALL_PASSED] for row in scored.table] == [True, False, False, False]
    assert scored.table[1]["reason"] == "fails mofchecker_has_metal"
    assert scored.table[2]["reason"] == "decode: no atoms"
    assert scored.table[3]["status"] == "failed"
    rates = {(r.population, r.metric): (r.numerator, r.denominator) for r in scored.records}
    assert rates["samples", ALL_PASSED] == (1, 4)
    assert rates["train", ALL_PASSED] == (1, 1)
    assert len(METRICS) == 15
    assert all(("samples", name) in rates for name in METRICS)
    assert [step["count"] for step in scored.funnel] == [4, 3, 2, 1]
    assert set(scored.columns) == {str(column) for column in scored.table[0]}


def test_without_mofchecker_every_row_says_so(tmp_path: Path) -> None:
    stage = Config(score=ScoreConfig(mofchecker_python=str(tmp_path / "python"))).stage(ScoreStage)
    rows = [mof("a", 30, 6, 1), Failure("b", "decode", "no atoms", Kind.MOF)]
    scored = score_mofs(stage, rows, Reference([], []), workers=1)
    assert "does not run" in scored.table[0]["reason"]
    assert [row["status"] for row in scored.table] == ["not_checked", "failed"]
    assert scored.table[0][ALL_PASSED] is None  # unknown, not invalid
    assert all(record.value is None and record.denominator == 0 for record in scored.records)
    assert all("not measured" in record.basis for record in scored.records)
    assert [step["step"] for step in scored.funnel] == ["asked", "decoded"]


def test_what_mofchecker_never_saw_counts_in_no_rate(caplog: pytest.LogCaptureFixture) -> None:
    passed = MofChecks(dict.fromkeys(METRICS, True), {})
    checks = {
        "a": Outcome("ok", passed, "", 1.0),
        "b": Outcome("unstarted", None, "worker process not ready after 300 s", 300.0),
        "c": Outcome("timeout", None, "wall limit", 60.0),
    }
    table = mof_rows([mof(name, 30, 6, 1) for name in checks], checks)
    with caplog.at_level(logging.WARNING):
        records = mof_records(table, Rater(Kind.MOF, "samples", 0.95), "9.9")
    assert {(record.numerator, record.denominator) for record in records} == {(1, 2)}
    assert "1 that could not be checked" in records[0].basis
    assert "1 of 3 MOFs (samples) could not be checked" in caplog.text
    assert [step["count"] for step in mof_funnel(table)] == [3, 3, 1, 1]


def test_a_python_without_mofchecker_is_one_clear_line(tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    with pytest.raises(ExternalToolError, match=r"does not load .*mofchecker_python"):
        probe(str(bare))


def test_a_python_that_hangs_is_one_clear_line_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging, ids = tmp_path / "python", tmp_path / "ids"
    hanging.write_text(f"#!/bin/sh\necho $$ > {ids}\nsleep 600 &\necho $! >> {ids}\nwait\n")
    hanging.chmod(0o755)
    monkeypatch.setattr(mofchecker, "STARTUP_S", 1.0)
    with pytest.raises(ExternalToolError, match=r"has not loaded after 1 s; .*mofchecker_python"):
        probe(str(hanging))
    numbers = ids.read_text().split()
    assert len(numbers) == 2
    assert all(ends(int(number)) for number in numbers)


def test_names_say_what_passes() -> None:
    assert metric_name("has_carbon") == "mofchecker_has_carbon"
    assert metric_name("has_lone_molecule") == "mofchecker_no_lone_molecule"


@pytest.mark.slow
@pytest.mark.skipif("ADIT_MOFCHECKER_PYTHON" not in os.environ, reason="no Python with MOFChecker is named")
def test_the_real_one_sees_overlaps_and_missing_metals() -> None:
    bdc = mof("x", 30, 6, 1)
    overlap = AtomicSystem("o", Kind.MOF, [30, 6, 6], np.array([[0, 0, 0], [5, 5, 5], [5.1, 5, 5]]), np.eye(3) * 12)
    outcomes = check_all([bdc, overlap], python=os.environ["ADIT_MOFCHECKER_PYTHON"], workers=1, wall_limit_s=60)
    assert outcomes[0].value.passed["mofchecker_has_metal"]
    assert not outcomes[0].value.passed["mofchecker_no_lone_molecule"]
    assert outcomes[1].status == "ok", outcomes[1].reason
    assert not outcomes[1].value.passed["mofchecker_no_atomic_overlaps"]
    assert not outcomes[1].value.passed["mofchecker_has_hydrogen"]
