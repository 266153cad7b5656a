"""Commands that the documents show are read by Snakemake as they are meant."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from snakemake.cli import parse_args

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "src/adit/cli/init.md", *(ROOT / "docs").rglob("*.md")]
COMMAND = re.compile(r"(?:^ {4}|`)(snakemake [^`#|&…\n]*)", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_target_is_taken_for_a_file_of_the_configuration(page: Path) -> None:
    for command in COMMAND.findall(page.read_text(encoding="utf-8")):
        words = [word for word in shlex.split(command)[1:] if not word.startswith("[")]
        if "--configfile" not in words:
            continue
        _, given = parse_args([word for word in words if word != "…"])
        assert all(str(name).endswith(".yaml") for name in given.configfile), command


def test_such_a_command_is_seen() -> None:
    _, given = parse_args(["--cores", "1", "--configfile", "config/demo.yaml", "evaluate"])
    assert [str(name) for name in given.configfile] == ["config/demo.yaml", "evaluate"]
