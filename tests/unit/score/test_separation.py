"""Numbers that are the same for real systems and for noise are told from those that are not."""

from __future__ import annotations

import logging

import pytest

from adit.columns import Population
from adit.report.paper.headline import blind
from adit.score.common.aggregate import Rater
from adit.score.common.measures import Estimate, Measurer
from adit.score.common.separation import separations
from adit.score.terminal import FUNNEL_AND_SUN, funnel_lines, log_table, table_lines


def rates(real: int, noise: int, random: int, of_random: int = 100) -> list:
    counts = {Population.TEST: (real, 100), Population.NOISE: (noise, 100), Population.RANDOM: (random, of_random)}
    return [Rater("molecule", name, 0.95).ratio("strict", "validity", *pair, "") for name, pair in counts.items()]


def test_a_rate_that_noise_shares_fails() -> None:
    (good,) = separations(rates(95, 40, 0))
    assert (good.noise, good.random, good.fails) == (True, True, False)
    (bad,) = separations(rates(95, 93, 0))
    assert (bad.noise, bad.random, bad.fails) == (False, True, True)
    (inverted,) = separations(rates(40, 95, 95))
    assert inverted.noise is False


def test_a_rate_of_nothing_is_no_verdict() -> None:
    (verdict,) = separations(rates(95, 40, 0, of_random=0))
    assert verdict.random is None
    assert not verdict.fails


def test_distances_are_better_when_lower() -> None:
    measures = [
        Measurer("molecule", name, 10, 0.95).measure("size_distance", Estimate(v, v - 0.1, v + 0.1, 10), "atoms", "")
        for name, v in ((Population.TEST, 0.2), (Population.NOISE, 0.3), (Population.RANDOM, 5.0))
    ]
    (verdict,) = separations([], measures)
    assert (verdict.noise, verdict.random) == (False, True)


def test_samples_alone_have_no_verdict() -> None:
    assert separations([Rater("crystal", Population.SAMPLES, 0.95).ratio("adit", "validity", 1, 2, "")]) == []


def test_without_a_test_split_the_training_split_is_what_is_real() -> None:
    counts = {Population.TRAIN: (95, 100), Population.TEST: (0, 0), Population.RANDOM: (10, 100)}
    records = [Rater("crystal", name, 0.95).ratio("adit", "validity", *pair, "") for name, pair in counts.items()]
    (verdict,) = separations(records)
    assert (verdict.noise, verdict.random, verdict.real) == (None, True, "train")


def test_the_words_name_the_real_systems_there_are() -> None:
    for real, words in ((Population.TEST, "test set"), (Population.TRAIN, "training set")):
        counts = {real: (95, 100), Population.NOISE: (94, 100), Population.SAMPLES: (50, 100)}
        records = [Rater("crystal", n, 0.95).ratio("adit", "validity", *pair, "") for n, pair in counts.items()]
        (verdict,) = separations(records)
        line = table_lines(records, {(verdict.kind, verdict.protocol, verdict.metric): verdict.real})[-1]
        assert f"does not separate the {words} from the {words} with noise" in line
        sentence = blind([verdict.to_json()], "crystal")["adit", "validity"]
        assert sentence.startswith(f"the {words} ")
        assert sentence.endswith(f"the {words} with noise")


def test_rates_without_a_reference_are_one_line() -> None:
    rater = Rater("crystal", Population.SAMPLES, 0.95)
    missing = "not measured: no reference of this kind was given"
    records = [rater.ratio("adit", "validity", 5, 10, "")]
    records += [rater.ratio(name, "novelty", 0, 0, missing) for name in ("adit", "strict", "mattergen")]
    lines = table_lines(records)
    assert sum("novelty" in line for line in lines) == 1
    assert lines[-1] == f"{missing}: novelty"


def test_the_terminal_says_why_the_funnel_is_not_sun() -> None:
    records = [Rater("crystal", Population.SAMPLES, 0.95).ratio("adit", "chgnet_surrogate_sun", 5, 10, "")]
    steps = [{"step": "valid", "count": 6}, {"step": "stable", "count": 3}]
    assert funnel_lines(records, steps) == ["  valid 6 → stable 3", f"  ({FUNNEL_AND_SUN})"]
    assert funnel_lines(records, steps[:1]) == ["  valid 6"]
    assert funnel_lines(records, [{"step": "asked", "count": 7}]) == ["  requested 7"]


def test_real_crystals_have_a_smaller_share_of_p1() -> None:
    counts = {Population.TEST: (3, 100), Population.NOISE: (97, 100), Population.RANDOM: (99, 100)}
    records = [
        Rater("crystal", name, 0.95).ratio("strict", "spacegroup_p1", *pair, "") for name, pair in counts.items()
    ]
    (verdict,) = separations(records)
    assert not verdict.fails


def test_the_terminal_shows_each_kind_once(caplog: pytest.LogCaptureFixture) -> None:
    records = [
        Rater(kind, Population.SAMPLES, 0.95).ratio("adit", "validity", count, 10, "")
        for kind, count in (("crystal", 7), ("molecule", 3))
    ]
    with caplog.at_level(logging.INFO):
        log_table(records, [{"kind": "crystal", "step": "valid", "count": 7}])
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split()[0] for line in lines if "protocol" in line] == ["crystal", "molecule"]
    assert [("7/10" in line, "3/10" in line) for line in lines if "/10" in line] == [(True, False), (False, True)]
    assert lines.index("  valid 7") < next(n for n, line in enumerate(lines) if line.startswith("molecule"))
