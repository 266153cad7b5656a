"""How the command line starts: what ``--help`` imports, and which room each command takes; completion in shells."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from adit.cli import main, parser
from adit.cli.info import SHELLS
from adit.cli.overview import VERBS, Group, rooms_of

HEAVY = ("torch", "pydantic", "numpy", "pandas", "pyarrow", "yaml", "scipy", "ase", "pymatgen", "rdkit", "matplotlib")


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["stage", "--help"], ["no-such-verb"]])
def test_help_imports_no_heavy_package(words: list[str]) -> None:
    code = (
        "import sys\nfrom adit.cli import main\n"
        f"try: main({words!r})\nexcept SystemExit: pass\n"
        f"print(*[name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == ""


def commands(top: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield the parsers of commands and stages with their words."""
    people = next(action for action in top._actions if isinstance(action, argparse._SubParsersAction))
    stages = next(
        action for action in people.choices["stage"]._actions if isinstance(action, argparse._SubParsersAction)
    )
    yield from ((name, sub) for name, sub in people.choices.items() if name != "stage")
    yield from ((f"stage {name}", sub) for name, sub in stages.choices.items())


def test_every_command_is_declared_by_the_room_of_the_table() -> None:
    for words, sub in commands(parser()):
        assert sub.get_default("handler") is not None, words
        room = rooms_of(words.split())
        assert len(room) == 1
        alone = dict(commands(parser(room)))[words]
        assert alone.format_help() == sub.format_help()


@pytest.mark.parametrize(
    ("words", "rooms"),
    [
        ("--help", set()),
        ("", set()),
        ("no-such-verb", set()),
        ("stage", set()),
        ("relax --help", {"relax"}),
        ("stage relax", {"relax"}),
        ("stage check", set()),
        ("schema", {"report"}),
        ("select", set()),
        ("doctor", {"doctor"}),
    ],
)
def test_the_room_of_a_command_line(words: str, rooms: set[str]) -> None:
    assert rooms_of(words.split()) == rooms


@pytest.mark.parametrize("words", ["relax", "stage relax"])
def test_help_of_a_command_shows_its_options(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*words.split(), "--help"])
    assert "--adopt" in capsys.readouterr().out


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_names_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for verb in VERBS:
        if verb.group is not Group.UPKEEP:
            assert verb.name in script
    assert "--composition" in script or "-l composition" in script


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("words", "word", "result"),
    [("adit", "samp", "sample"), ("adit relax", "--engi", "--engine"), ("adit completion", "fi", "fish")],
)
def test_bash_completes(words: str, word: str, result: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["completion", "bash"])
    script = capsys.readouterr().out
    typed = [*words.split(), word]
    line = f"COMP_WORDS=({' '.join(typed)}); COMP_CWORD={len(typed) - 1}; COMP_LINE='{' '.join(typed)}'"
    call = f"{script}\n{line}; COMP_POINT=${{#COMP_LINE}}; _shtab_adit; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(["bash", "-c", call], capture_output=True, text=True, check=False)
    assert result in done.stdout.split(), done.stderr
