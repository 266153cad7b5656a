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
