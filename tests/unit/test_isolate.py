"""Workers that warm up: what they need for it is not a part of any item's time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from adit.isolate import kept_workers, map_isolated
from tests.processes import ends, runs


def slow_start() -> None:
    time.sleep(2.0)


def never_ready() -> None:
    time.sleep(600.0)


def broken_start() -> None:
    raise SystemExit(3)


def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def test_warming_up_is_outside_the_limit_and_the_limit_holds_from_then_on() -> None:
    first, second = map_isolated(nap, [0.1, 60.0], workers=1, wall_limit_s=1.0, startup_s=60.0, warm_up=slow_start)
    assert (first.status, first.value) == ("ok", 0.1)
    assert second.status == "timeout"


def test_with_warming_up_a_first_item_has_no_allowance() -> None:
    (outcome,) = map_isolated(nap, [20.0], workers=1, wall_limit_s=1.0, startup_s=60.0, warm_up=slow_start)
    assert outcome.status == "timeout"  # within the sum of limit and allowance it would have ended


def test_a_worker_that_is_never_ready_is_killed() -> None:
    (outcome,) = map_isolated(nap, [0.1], workers=1, wall_limit_s=60.0, startup_s=1.0, warm_up=never_ready)
    assert outcome.status == "unstarted"
    assert "not ready" in outcome.reason


def test_a_worker_that_dies_while_it_warms_up_says_nothing_of_the_item() -> None:
    (outcome,) = map_isolated(nap, [0.1], workers=1, wall_limit_s=60.0, warm_up=broken_start)
    assert outcome.status == "unstarted"
    assert "exit code 3" in outcome.reason


def die_and_leave_a_child(folder: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(folder, "pid").write_text(str(child.pid))
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_dead_worker_had_started_is_killed_too(tmp_path: Path) -> None:
    (outcome,) = map_isolated(die_and_leave_a_child, [str(tmp_path)], workers=1, wall_limit_s=60.0)
    assert outcome.status == "crashed"
    assert ends(int((tmp_path / "pid").read_text()))


def square(x: int) -> int:
    if x == 3:
        os._exit(9)
    if x == 4:
        time.sleep(600)
    if x == 5:
        raise ValueError("two\nlines")
    return x * x


def test_crashes_hangs_and_errors_touch_nobody_else() -> None:
    outcomes = map_isolated(square, list(range(8)), workers=2, wall_limit_s=1.0, startup_s=30.0)
    assert [o.status for o in outcomes] == ["ok", "ok", "ok", "crashed", "timeout", "error", "ok", "ok"]
    assert [o.value for o in outcomes if o.status == "ok"] == [0, 1, 4, 36, 49]
    assert outcomes[5].reason == "ValueError: two lines"


IN_WORKER = """
from adit.isolate import map_isolated
if __name__ == "__main__":
    (outcome,) = map_isolated(abs, [-1], workers=1, wall_limit_s=60.0, startup_s=60.0)
    print(outcome.status, outcome.value)
"""


@pytest.mark.parametrize("words", [["{folder}/../work.py"], ["-m", "adit", "--version"]])
def test_no_module_of_the_folder_of_work_is_run(tmp_path: Path, words: list[str]) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    (tmp_path / "work.py").write_text(IN_WORKER)
    late = ("tempfile", "struct", "pickle") if len(words) == 1 else ("numpy", "importlib_metadata", "argparse")
    for name in late:
        (folder / f"{name}.py").write_text("open('PWNED', 'w')\n")
    line = [sys.executable, *(word.format(folder=folder) for word in words)]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert not (folder / "PWNED").exists()


def own_pid(_: object) -> int:
    return os.getpid()


def fail(_: object) -> None:
    raise ValueError("no")


def test_workers_are_kept_within_a_block_and_end_with_it() -> None:
    with kept_workers():
        (first,) = map_isolated(own_pid, [0], workers=1, wall_limit_s=60.0)
        with kept_workers():
            (second,) = map_isolated(own_pid, [0], workers=1, wall_limit_s=60.0)
        (failed,) = map_isolated(fail, [0], workers=1, wall_limit_s=60.0)
        (other,) = map_isolated(own_pid, [0], workers=1, wall_limit_s=60.0, environment={"OMP_NUM_THREADS": "2"})
        (third,) = map_isolated(own_pid, [0], workers=1, wall_limit_s=60.0)
        assert first.value == second.value == third.value != other.value
        assert failed.status == "error"
        assert runs(first.value)
    assert ends(first.value)
    assert ends(other.value)
    (alone,) = map_isolated(own_pid, [0], workers=1, wall_limit_s=60.0)
    assert alone.value != first.value
    assert ends(alone.value)


def test_a_kept_worker_that_died_or_ran_late_is_replaced() -> None:
    with kept_workers():
        (first,) = map_isolated(own_pid, [0], workers=1, wall_limit_s=60.0)
        os.kill(first.value, signal.SIGKILL)
        assert ends(first.value)
        (second,) = map_isolated(own_pid, [0], workers=1, wall_limit_s=60.0)
        assert second.status == "ok"
        assert second.value != first.value
        (late,) = map_isolated(nap, [60.0], workers=1, wall_limit_s=0.5, startup_s=0.0)
        assert late.status == "timeout"
        assert ends(second.value)


def test_a_kept_worker_has_time_to_import_what_the_next_function_needs() -> None:
    with kept_workers():
        map_isolated(nap, [0.0], workers=1, wall_limit_s=60.0)
        (outcome,) = map_isolated(nap, [1.0], workers=1, wall_limit_s=0.2, startup_s=60.0)
        assert outcome.status == "ok"
