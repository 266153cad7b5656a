"""Workers that warm up: what they need for it is no part of any item's time."""

from __future__ import annotations

import time

from adit.isolate import map_isolated


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
