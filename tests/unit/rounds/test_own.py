"""A program of the user's gives columns for ``rounds.keep``: what it gets, what is joined, what it can do wrong."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from adit import config, store
from adit.cli import main
from adit.errors import ConfigError
from adit.systems import Kind
from tests.unit.rounds.test_keep import keep, salt, write_run

READ = """
import csv, re, sys
structures, table, output, kind = sys.argv[1:]
ids = re.findall(r"system_id=(\\S+)", open(structures).read())
assert sorted(row["system_id"] for row in csv.DictReader(open(table))) == sorted(ids)
"""

REVERSED = "rows = [(i, ord(i[-1]) - ord('a')) for i in reversed(ids)]\n"
"""The order of the answer is not that of the question."""

WRITE = "open(output, 'w').write('system_id,toxicity\\n' + ''.join(f'{i},{value}\\n' for i, value in rows))\n"


def program(folder: Path, text: str) -> str:
    (folder / "score it.py").write_text(READ + text)
    return f"'{sys.executable}' '{folder / 'score it.py'}' {{structures}} {{table}} {{output}} {{kind}}"


def run_of(folder: Path) -> Path:
    systems = [salt("a"), salt("b", "K", 3.9), salt("c", "Rb", 4.1), salt("d", "Cs", 4.1)]
    columns = {"formula": ["ClNa", "ClK", "ClRb", "ClCs"], "relax_status": ["unconverged", *["converged"] * 3]}
    different = {"uniqueness_adit": [True] * 4, "novelty_adit": [True] * 4}
    return write_run(folder / "run", Kind.CRYSTAL, systems, **columns, **different)


def test_columns_of_the_program_are_joined_by_id_and_decide(tmp_path: Path) -> None:
    command = program(tmp_path, REVERSED + WRITE)
    words = ["--score-command", command, "--keep", "toxicity < 3 and not has_K"]
    assert keep(run_of(tmp_path), Kind.CRYSTAL, *words) == 0
    table = store.read_frame(tmp_path / "run.decisions.parquet")
    assert table["decision"].tolist() == [
        "not relaxed", "not as rounds.keep says", "kept", "not as rounds.keep says"
    ]  # fmt: skip
    assert table["toxicity"].isna().tolist() == [True, False, False, False]
    assert table["toxicity"].tolist()[1:] == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("sys.exit('no licence')", 4, "exited with 1 (its last line: no licence)"),
        ("print('bye')", 4, "rounds.score_command: wrote no {output} (its last line: bye)"),
        ("open(output, 'wb').write(b'\\xff\\x00')", 3, "rounds.score_command: "),
        ("open(output, 'w').write('id,x\\n1,2\\n')", 3, "{output} has no column system_id"),
        (REVERSED + "rows.append(rows[0])\n" + WRITE, 3, "{output} has d twice (1 such of 3 samples)"),
        (REVERSED + "rows.pop()\n" + WRITE, 3, "{output} lacks b (1 such of 3 samples)"),
        (REVERSED + "rows.append(('z', 1))\n" + WRITE, 3, "{output} has z, which it was not given"),
        (REVERSED + WRITE.replace("toxicity", "relax_status"), 3, "has relax_status, which is a column of the scores"),
        (REVERSED + WRITE.replace("toxicity", "toxic"), 2, "rounds.keep: no column 'toxicity'; near: toxic"),
        ("import time; time.sleep(600)", 4, "limit of 2 s; raise rounds.score_command_wall_limit_s"),
    ],
    ids=["exit", "nothing", "unreadable", "no-id", "twice", "fewer", "more", "taken", "another-column", "hangs"],
)  # fmt: skip
def test_what_goes_wrong_is_one_line(
    text: str, code: int, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limit = "2" if "sleep" in text else "60"
    words = ["--score-command", program(tmp_path, text), "--keep", "toxicity < 3", "--wall-limit", limit]
    assert keep(run_of(tmp_path), Kind.CRYSTAL, *words) == code
    assert line in capsys.readouterr().err
    assert not (tmp_path / "run.arrow").exists()


def test_nothing_is_started_for_no_sample(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", Kind.CRYSTAL, [salt("a")], relax_status=["failed"])
    assert keep(run, Kind.CRYSTAL, "--score-command", program(tmp_path, "open('PWNED', 'w')")) == 3
    assert "keeps none of 1 crystals (1 not relaxed)" in capsys.readouterr().err


def test_a_stage_has_a_condition_for_each_kind_and_a_program(tmp_path: Path) -> None:
    rounds: dict[str, Any] = {"keep": {"crystal": "toxicity < 3", "molecule": "homo_lumo_gap > 4"}}
    rounds["score_command"] = program(tmp_path, REVERSED + WRITE)
    stage = config.parse({"rounds": rounds}, "test").stage(config.KeepStage)
    assert config.condition_of(stage.keep, "molecule") == "homo_lumo_gap > 4"
    assert config.condition_of("a", "molecule") == "a"
    words = ["--run", str(run_of(tmp_path)), "--kind", "crystal", "--out", str(tmp_path / "kept.arrow")]
    assert main(["stage", "keep", "--config", stage.model_dump_json(), *words]) == 0
    assert [row.info["sample"] for row in store.read_systems(tmp_path / "kept.arrow").systems()] == ["b", "c"]


@pytest.mark.parametrize(
    ("rounds", "line"),
    [
        ({"score_command": "mine {output}"}, "score_command: {structures} is missing"),
        ({"score_command": "mine {structures} {output} {seed}"}, "{seed} is no placeholder"),
        ({"score_command": "-x {structures} {output}"}, "is no program"),
        ({"keep": {"crystal": "a <"}}, "keep: "),
        ({"keep": {"mof": "a < 1"}}, "keep"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(rounds: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError) as error:
        config.parse({"rounds": rounds}, "test")
    assert line in str(error.value)
