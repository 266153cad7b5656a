"""Every verb: what is not its own stays, wherever it lies; inputs are never written over."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest
import yaml

from adit.cli import main, parser
from tests.unit.outputs import world

MINE = "mine, and nobody else's"


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every verb has run."""
    folder = tmp_path_factory.mktemp("walk")
    world.given(folder)
    (folder / "mine.yaml").write_text(yaml.safe_dump(world.SETTINGS))
    before = plant(
        folder, [folder / "run", folder / "run/vae", folder / "run/report/figures", folder / "alone/relaxed"]
    )
    done = world.walk(folder, 0)
    assert_intact(before)
    (folder / "mine/done.txt").write_text(" ".join(sorted(done)))
    return folder


def verbs() -> set[str]:
    """Return the verbs of the command line, those of the workflow too."""
    people = choices(parser())
    return {*people, *choices(people["stage"])} - {"stage"}


def choices(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers below a parser."""
    (action,) = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    return dict(action.choices)


def plant(folder: Path, places: list[Path] | None = None) -> list[Path]:
    """Put files of a user into every folder: one by its own name, one for every suffix that others have there."""
    planted = []
    if places is None:
        places = [Path(below) for below, _, _ in os.walk(folder) if ".adit" not in below and "mine" not in below]
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
        suffixes = {".txt", *("".join(path.suffixes[-1:]) for path in place.iterdir() if path.is_file())}
        read_whole = {"tune", "ablations", "data"} & set(place.relative_to(folder).parts)  # all files there are inputs
        if place.is_relative_to(folder / "alone/scored/samples"):
            suffixes -= {".arrow"}  # adit score refuses to mix its scores with samples of another run
        for suffix in {".txt"} if read_whole else suffixes:
            path = place / f"foreign{suffix}"
            path.write_text(MINE)
            planted.append(path)
    return planted


def assert_intact(planted: list[Path]) -> None:
    changed = [path for path in planted if not path.is_file() or path.read_text() != MINE]
    assert not changed


def test_the_walk_has_every_verb_that_writes(walked: Path) -> None:
    assert (
        set((walked / "mine/done.txt").read_text().split())
        == verbs() - world.READS_ONLY - world.MAINTAINERS - world.NEW_FOLDER
    )


def test_no_verb_touches_files_of_others_in_any_folder_that_it_writes(walked: Path) -> None:
    planted = plant(walked)
    assert len(planted) > 60
    names = {path.relative_to(walked).parent.as_posix() for path in planted}
    assert {"run/report/figures", "run/state/vae", "run/weights/dit", "alone/relaxed/structures", "run/dft"} <= names
    world.walk(walked, 1)
    assert_intact(planted)
    assert not list(walked.rglob("*.part"))
    assert not [path for path in walked.rglob("new-*") if path.parent.name == ".adit"]
    assert main(["clean", str(walked / "run"), str(walked / "alone")]) == 0
    assert_intact(planted)
