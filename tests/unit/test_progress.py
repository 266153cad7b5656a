"""Progress lines: counts, and a time left that does not take the start of workers for work."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from adit import progress
from adit.report.words import formats


class Clock:
    """A clock that is set by hand, s."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    monkeypatch.setattr(progress.log, "propagate", True)
    monkeypatch.setattr(progress.log, "handlers", [])
    return clock


def test_the_start_of_workers_is_not_in_the_time_left(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    lines = progress.Progress("structures", 101)
    with caplog.at_level(logging.INFO, logger="adit"):
        clock.now = 100.0  # loading models
        lines.update()
        for _ in range(10):
            clock.now += 1.0
            lines.update()
        clock.now += 90.0
        lines.update(90)
    assert caplog.messages == [
        "1/101 structures",
        "6/101 structures, 1 min 35 s left",
        "11/101 structures, 1 min 30 s left",
        "101/101 structures in 3 min 20 s",
    ]


def test_finished_work_of_an_earlier_run_is_no_rate(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    lines = progress.Progress("structures", 100, done=90)
    with caplog.at_level(logging.INFO, logger="adit"):
        lines.update()
        clock.now = 10.0
        lines.update()
    assert caplog.messages == ["92/100 structures, 1 min 20 s left"]


@pytest.mark.parametrize("one", [progress.quantity, formats.quantity])
def test_one_is_singular(one: Callable[[int, str], str]) -> None:
    assert [one(number, "candidate") for number in (0, 1, 2)] == ["0 candidates", "1 candidate", "2 candidates"]


def test_nouns_have_other_plurals() -> None:
    assert progress.quantity(1, "entry", "entries") == "1 entry"
    assert progress.quantity(3, "entry", "entries") == "3 entries"
