"""The parsers of the command line: three groups of verbs, one face each, every option explained."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from adit.cli import parser

ROOT = Path(__file__).parents[3]
UNITS = {"--wall-limit": " s;", "--core-hours": ", core hours", "--rate": ", 1/s;", "--timing": ", s;"}
"""Options whose number has a unit, and how their help says it."""


def below(top: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    (action,) = [each for each in top._actions if isinstance(each, argparse._SubParsersAction)]
    return dict(action.choices)


PEOPLE = below(parser())
STAGES = below(PEOPLE["stage"])
PARSERS = {
    **{name: sub for name, sub in PEOPLE.items() if name != "stage"},
    **{f"stage {name}": sub for name, sub in STAGES.items()},
}


@pytest.mark.parametrize("name", PARSERS)
def test_every_option_has_help_with_its_unit_and_default(name: str) -> None:
    for action in PARSERS[name]._actions:
        label = f"{name}: {' '.join(action.option_strings) or action.dest}"
        assert action.help, label
        switch = action.nargs == 0
        if action.option_strings and not action.required and not switch:
            assert "default" in action.help, label
        for flag in action.option_strings:
            assert UNITS.get(flag, "") in action.help, label


@pytest.mark.parametrize("name", PARSERS)
def test_files_are_arguments_of_people_alone(name: str) -> None:
    positional = [action.dest for action in PARSERS[name]._actions if not action.option_strings]
    assert not (name.startswith("stage ") and positional)


def test_verbs_of_two_faces_have_two_parsers() -> None:
    """What a rule passes is not an option of the verb for display, and the reverse."""
    for name, only in {
        "relax": {"samples", "structures", "extxyz", "cache"},
        "hull": {"relaxed"},
        "score": {"crystal", "molecule", "mof", "data", "checks"},
        "sample": {"state", "timing"},
        "prepare": {"stats"},
        "report": {"run_config"},
    }.items():
        people = {action.dest for action in PEOPLE[name]._actions}
        stage = {action.dest for action in STAGES[name]._actions}
        assert only <= stage, name
        assert not only & people, name


def test_help_lists_the_groups() -> None:
    text = " ".join(parser().format_help().split())
    assert "stages of the workflow" in text
    for name in ("sample", "relax", "score", "compare"):
        assert name in text
    for name in STAGES:
        assert name in (parser().epilog or "")


def test_what_serves_the_upkeep_of_the_project_is_no_verb_for_users() -> None:
    listed, _, upkeep = parser().format_help().partition("for the upkeep of this project:")
    for name in ("schema", "ship-references", "ship-prototypes"):
        assert name in PEOPLE
        assert name not in listed
        assert name in upkeep


@pytest.mark.parametrize("name", PARSERS)
def test_no_help_calls_none_what_has_a_default(name: str) -> None:
    """Options that are optional because the command finds or names the place itself say which place."""
    for action in PARSERS[name]._actions:
        if action.dest in ("settings", "out") or (action.dest == "state" and "prepare" in name):
            assert "default: none" not in (action.help or ""), f"{name}: {action.dest}"


def test_rules_call_stages_alone() -> None:
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        text = path.read_text(encoding="utf-8")
        called = re.findall(r"(?:python -m adit|\{TRAIN\}) +(\S+) +(\S+)", text)
        for group, name in called:
            assert (group, name in STAGES) == ("stage", True), f"{path.name}: {group} {name}"


@pytest.mark.parametrize(("verb", "name"), [("relax", "FILE"), ("hull", "TABLE"), ("score", "SAMPLES")])
def test_a_verb_without_its_files_says_which_are_missing(
    verb: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        parser().parse_args([verb, "--out", "o"])
    assert capsys.readouterr().err.splitlines()[-1].endswith(f"required: {name}")


CALL = re.compile(r"(?<![\w./-])(?<!from )(?<!of )adit (stage )?([a-z][a-z-]*)")
"""A call of the command line in a text; ``from adit import`` and ``files of adit removed`` are none."""

TEXTS = [
    *sorted(path for end in ("py", "html", "js", "yaml") for path in (ROOT / "src").rglob(f"*.{end}")),
    *sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").rglob("*.py")]),
    *sorted([*(ROOT / "workflow").rglob("*.smk"), *(ROOT / "config").rglob("*.yaml"), ROOT / "Makefile"]),
    ROOT / "weights/README.md",
]
"""Help texts and messages of the package, and all that names its commands."""


def absent_verbs(text: str) -> list[str]:
    """Return the calls in a text whose verb or stage does not exist."""
    calls = CALL.findall(text)
    return [f"adit {stage}{name}" for stage, name in calls if name not in (STAGES if stage else PEOPLE)]


def test_texts_name_verbs_that_exist() -> None:
    absent = {str(path.relative_to(ROOT)): absent_verbs(path.read_text(encoding="utf-8")) for path in TEXTS}
    assert {name: calls for name, calls in absent.items() if calls} == {}


def test_an_absent_verb_is_found() -> None:
    text = "run `adit reference`, adit hull or adit stage hull; from adit import x; python -m adit stage absent"
    assert absent_verbs(text) == ["adit reference", "adit stage absent"]
