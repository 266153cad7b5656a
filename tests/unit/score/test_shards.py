"""Slow checks by shards: the scores with them are those without, and nothing is asked twice."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest

from adit.config import ChecksStage, Config, ScoreConfig, ScoreStage
from adit.isolate import Outcome
from adit.score import shard_checks
from adit.score.common.inputs import Row
from adit.score.molecules.run import score_molecules
from adit.score.shard_checks import check_shard
from adit.score.tools.answers import MOFCHECKER, POSEBUSTERS, Answers, write_answers
from adit.score.tools.mofchecker import MofChecks
from adit.store import read_json, write_json, write_systems
from adit.systems import AtomicSystem, Kind
from tests.unit.score.test_molecule_run import REFERENCE, ROWS, ammonia, water

CONFIG = Config(score=ScoreConfig(controls=2, xtb=3, posebusters=4, wall_limit_s=60))
STAGE, CHECKS = CONFIG.stage(ScoreStage), CONFIG.stage(ChecksStage)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], list[Path]]:
    """Return two shards of samples, and the files of their checks."""
    folder = tmp_path_factory.mktemp("shards")
    samples, checks = [folder / "0.arrow", folder / "1.arrow"], [folder / "0.json", folder / "1.json"]
    for path, rows in zip(samples, (ROWS[:5], ROWS[5:]), strict=True):
        write_systems(path, rows)
    for path, out in zip(samples, checks, strict=True):
        check_shard(CHECKS, Kind.MOLECULE, samples, path, out, workers=1)
    return samples, checks


def noted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return where the ids of what is sent to PoseBusters are noted."""
    from adit.score.molecules import run as molecule_run

    sent: list[str] = []
    bust = molecule_run.bust

    def noting(systems: list[AtomicSystem], *, workers: int, wall_limit_s: float) -> object:
        sent.extend(system.system_id for system in systems)
        return bust(systems, workers=workers, wall_limit_s=wall_limit_s)

    monkeypatch.setattr(molecule_run, "bust", noting)
    return sent


def test_scores_with_the_checks_of_shards_are_those_without(
    shards: tuple[list[Path], list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = noted(monkeypatch)
    alone = score_molecules(STAGE, ROWS, REFERENCE, workers=1)
    names = {row.system_id for row in ROWS}
    assert names & set(sent)
    sent.clear()
    answers = Answers.read(shards[1])
    assert answers.stored[POSEBUSTERS]
    together = score_molecules(STAGE, ROWS, REFERENCE, workers=1, answers=answers)
    assert not names & set(sent)
    assert sent, "the control rows are asked for here"
    assert together.records == alone.records
    assert together.measures == alone.measures
    for one, other in zip(alone.table, together.table, strict=True):
        for column in alone.columns:
            if isinstance(one[column], float):
                assert np.isclose(one[column], other[column], rtol=1e-4, atol=1e-6, equal_nan=True), column
            else:
                assert one[column] == other[column], column


def test_checks_of_other_versions_are_made_again(
    shards: tuple[list[Path], list[Path]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = read_json(shards[1][0])
    table["libraries"]["posebusters"] = "0.0"
    write_json(tmp_path / "old.json", table)
    with caplog.at_level(logging.WARNING):
        assert Answers.read([tmp_path / "old.json", shards[1][1]]).stored == Answers.read([shards[1][1]]).stored
    assert "1 of 2 files of checks have other library versions" in caplog.text


def test_an_answer_belongs_to_what_a_system_is(tmp_path: Path) -> None:
    flags = {"sanitization": True, "internal_energy": None}
    write_answers(tmp_path / "a.json", {POSEBUSTERS: [(water("one"), flags), (ammonia("two"), "no bonding")]})
    moved = water("one", 1.01)
    rows = [ammonia("another name"), moved, water("third")]
    fresh: list[Row] = []

    def ask(systems: list[AtomicSystem]) -> list[str]:
        fresh.extend(systems)
        return ["asked"] * len(systems)

    said = Answers.read([tmp_path / "a.json"]).complete(POSEBUSTERS, rows, ask)
    assert said == ["no bonding", "asked", flags]
    assert fresh == [moved]


def test_outcomes_of_mofchecker_come_back_and_what_never_ran_is_asked_again(tmp_path: Path) -> None:
    one, two, three = (water(name, scale) for name, scale in (("a", 1.0), ("b", 1.1), ("c", 1.2)))
    good = Outcome("ok", MofChecks({"has_metal": True}, {"x": "no graph"}), "", 1.5)
    late = Outcome("timeout", None, "longer than 60 s", 60.0)
    pairs = [(one, good), (two, late), (three, Outcome("unstarted", None, "no Python", 0.0))]
    write_answers(tmp_path / "m.json", {MOFCHECKER: pairs})
    again = Outcome("error", None, "asked again", 0.0)
    said = Answers.read([tmp_path / "m.json"]).complete(MOFCHECKER, [one, two, three], lambda s: [again] * len(s))
    assert said == [good, late, again]


def test_mofs_without_mofchecker_are_left_to_the_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from adit.errors import ExternalToolError

    def missing(_python: str | None) -> dict[str, str]:
        raise ExternalToolError("mofchecker is not installed")

    monkeypatch.setattr(shard_checks, "probe", missing)
    write_systems(tmp_path / "0.arrow", [AtomicSystem("m", Kind.MOF, np.array([6]), np.zeros((1, 3)), np.eye(3) * 9)])
    check_shard(CHECKS, Kind.MOF, [tmp_path / "0.arrow"], tmp_path / "0.arrow", tmp_path / "0.json", workers=1)
    assert json.loads((tmp_path / "0.json").read_text())["answers"] == {}
