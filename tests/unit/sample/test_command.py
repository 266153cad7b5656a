"""A program of the user's writes the samples: what it gets, what is kept, and what it can do wrong."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from adit import config
from adit.cli import main
from adit.errors import DataError, ExternalToolError
from adit.program import run_program
from adit.sample.command import command_words, sample_command
from adit.store import read_systems
from adit.systems import Failure, Kind
from tests.processes import ends

ATOMS = {"crystal": 'Lattice="3 0 0 0 3 0 0 0 3" pbc="T T T" ', "molecule": ""}

WRITE = """
import pathlib, sys
output, number, seed, kind, count = pathlib.Path(sys.argv[1]), *sys.argv[2:]
lattice = {lattice!r}
frames = [f"1\\n{{lattice[kind]}}Properties=species:S:1:pos:R:3\\nNe {{n}}.0 0 0\\n" for n in range(eval(count))]
(output / "samples.extxyz").write_text("".join(frames))
print("generator version 1.2.3"); print("seed", seed)
"""


def command(folder: Path, count: str = "int(number)", more: str = "", kind: str = "{kind}") -> str:
    script = folder / "write it.py"
    script.write_text(WRITE.format(lattice=ATOMS) + more)
    return f"'{sys.executable}' '{script}' {{output}} {{number}} {{seed}} {kind} '{count}'"


def stage_of(text: str, **settings: Any) -> config.CommandStage:
    values = {"seed": 7, "sample": {"command": text, "crystal": 7, "molecule": 7, "shards": 2, **settings}}
    return config.parse(values, "test").stage(config.CommandStage)


def run(folder: Path, text: str, kind: str = "crystal", shard: int = 1, **settings: Any) -> None:
    sample_command(stage_of(text, **settings), Kind(kind), shard, folder / "1.arrow", workers=0)


def rows(folder: Path) -> list[Any]:
    return list(read_systems(folder / "1.arrow"))


def test_samples_get_the_ids_of_the_run_and_their_provenance(tmp_path: Path) -> None:
    text = command(tmp_path)
    run(tmp_path, text)
    assert [row.system_id for row in rows(tmp_path)] == ["crystal-7-3", "crystal-7-4", "crystal-7-5", "crystal-7-6"]
    kept = read_systems(tmp_path / "1.arrow").metadata
    assert (kept["command"], kept["written"]) == (text, 4)
    assert kept["versions"] == ["generator version 1.2.3"]
    assert len(kept["output_sha256"]) == 64
    assert 0 <= kept["program_seed"] < 2**31


def test_each_shard_gets_its_own_seed_and_a_finished_one_is_kept(tmp_path: Path) -> None:
    text = command(tmp_path, more=f"open({str(tmp_path / 'started')!r}, 'a').write('x')\n")
    seeds = []
    for shard, limit in ((0, 60.0), (1, 60.0), (1, 90.0)):
        stage = stage_of(text, command_wall_limit_s=limit).model_dump_json()
        words = ["--config", stage, "--kind", "crystal", "--shard", str(shard), "--state", str(tmp_path / "state")]
        assert main(["stage", "sample-command", *words, "--out", str(tmp_path / "1.arrow")]) == 0
        seeds.append(read_systems(tmp_path / "1.arrow").metadata["program_seed"])
        (tmp_path / "1.arrow").unlink()
    assert seeds[0] != seeds[1] == seeds[2]
    assert (tmp_path / "started").read_text() == "xx", "a finished shard is not made again, whatever its limit"


def test_fewer_samples_are_failures_and_of_more_the_first_are_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(tmp_path, command(tmp_path, "int(number) - 1"))
    assert "sample.command: wrote 3 of 4 crystals; the others are failures" in caplog.text
    last = rows(tmp_path)[-1]
    assert isinstance(last, Failure)
    assert (last.system_id, last.reason) == ("crystal-7-6", "the program wrote 3 of 4 samples")
    run(tmp_path, command(tmp_path, "int(number) + 2"))
    assert "sample.command: wrote 6 crystals; the first 4 are taken" in caplog.text
    assert len(rows(tmp_path)) == 4


def test_half_a_file_is_a_failure_for_each_sample_that_is_not_whole(tmp_path: Path) -> None:
    cut = "path = output / 'samples.extxyz'\npath.write_text(path.read_text()[:-30])\n"
    run(tmp_path, command(tmp_path, more=cut))
    assert len(rows(tmp_path)) == 4
    assert [isinstance(row, Failure) for row in rows(tmp_path)][:3] == [False] * 3
    assert isinstance(rows(tmp_path)[3], Failure)


@pytest.mark.parametrize(
    ("more", "settings", "kind", "line"),
    [
        ("sys.exit('no licence')", {}, "{kind}", "exited with 1 (its last line: no licence)"),
        ("import os; os.kill(os.getpid(), 9)", {}, "{kind}", "was ended by signal 9"),
        ("(output / 'samples.extxyz').unlink()", {}, "{kind}", "wrote nothing into {output}"),
        ("", {"command_reads": "other.cif"}, "{kind}", "wrote no other.cif into {output}"),
        ("(output / 'samples.extxyz').write_text('half')", {}, "{kind}", "sample.command:"),
        ("", {}, "molecule", "wrote no crystals: its 4 structures have no cell"),
    ],
    ids=["exit", "signal", "nothing", "another-file", "unreadable", "another-kind"],
)
def test_what_goes_wrong_is_one_line(more: str, settings: dict[str, Any], kind: str, line: str, tmp_path: Path) -> None:
    with pytest.raises((DataError, ExternalToolError)) as error:
        run(tmp_path, command(tmp_path, more=more, kind=kind), **settings)
    assert line in str(error.value)
    assert not (tmp_path / "1.arrow").exists()


def test_a_molecule_with_a_cell_is_no_molecule(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="wrote no molecules: its 4 structures have a cell"):
        run(tmp_path, command(tmp_path, kind="crystal"), kind="molecule")


def test_a_program_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ExternalToolError, match="no/such/program does not start \\(No such file or directory\\)"):
        run(tmp_path, "no/such/program {output} {number}")


def test_a_program_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    words = ["bash", "-c", f"sleep 600 & echo $! > '{inner}'; trap '' TERM; wait"]
    started = time.monotonic()
    with pytest.raises(ExternalToolError, match="was ended at the wall limit of 1 s"):
        run_program(words, "sample.command", 1.0)
    assert time.monotonic() - started < 60
    assert ends(int(inner.read_text()))


def test_what_a_program_leaves_running_ends_with_it(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    run_program(["bash", "-c", f"sleep 600 >/dev/null 2>&1 & echo $! > '{inner}'"], "sample.command", 60.0)
    assert ends(int(inner.read_text()))


def test_arguments_reach_the_program_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME_OF_IT", "a b")
    text = "$HOME_OF_IT/run --out={output} '$(touch PWNED)' \"{'band_gap': 2}\" {kind} {number}{seed}"
    words = command_words(text, Path("/t/{seed}"), 4, 9, Kind.CRYSTAL)
    assert words == ["a b/run", "--out=/t/{seed}", "$(touch PWNED)", "{'band_gap': 2}", "crystal", "49"]
    assert os.environ["HOME_OF_IT"] == "a b"
