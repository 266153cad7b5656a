"""The command line's errors: one line, and an exit code for each class."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from adit import cli

ROOT = Path(__file__).parents[3]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = cli.main(arguments)
    return code, capsys.readouterr().err


def test_a_configuration_error_is_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("sampel: {}\n")
    code, text = run(capsys, "check", "--config", str(bad))
    assert code == 2
    assert "did you mean 'sample'" in text
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize("text", ["a: [1", "- 1", "\x00"])
def test_what_is_no_configuration_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(text)
    code, said = run(capsys, "check", "--config", str(bad))
    assert code == 2
    assert len(said.splitlines()) == 1


def test_words_that_are_not_text_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = os.fsdecode(str(tmp_path).encode() + b"/caf\xe9.json")
    with pytest.raises(SystemExit) as ended:
        cli.main(["schema", "--out", name])
    assert ended.value.code == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "error: " in line]
    assert "is not UTF-8 text" in line
    assert line.isprintable()
    assert list(tmp_path.iterdir()) == []


def test_a_text_that_cannot_be_stored_is_one_line(capsys: pytest.CaptureFixture[str],
                                                  monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:  # fmt: skip
    monkeypatch.setattr("adit.config.json_schema", lambda: {"a": "\ud83d"})
    code, text = run(capsys, "schema", "--out", str(tmp_path / "x.json"))
    assert code == 3
    assert "is not valid Unicode" in text
    assert text.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_data_error_is_one_line_and_exit_code_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "model"
    empty.mkdir()
    code, text = run(
        capsys, "sample", "--config", str(ROOT / "config/demo.yaml"), "--vae", str(empty), "--dit", str(empty),
        "--kind", "crystal", "--out", str(tmp_path / "x.arrow"),
    )  # fmt: skip
    assert code == 3
    assert len(text.splitlines()) == 1
    assert os.listdir(tmp_path) == ["model"]
