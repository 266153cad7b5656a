"""The commands under "What to do next": they parse, name what is there, and work as copied."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from adit import store
from adit.cli import main, parser
from adit.config import Config, ReportStage
from adit.report.page.build import _Builder
from adit.report.run.inputs import load_run
from adit.report.words.next_steps import next_steps
from tests.unit.report.test_page import write_run
from tests.weights import write_weights


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run with networks, as the workflow names it: relative to its folder, with a blank in the name."""
    monkeypatch.chdir(tmp_path)
    folder = Path("results/my run")
    write_run(folder)
    write_weights(folder)
    return folder


def commands(run: Path) -> dict[str, list[str]]:
    settings = Config().model_copy(update={"seed": 4}).model_dump_json(by_alias=True)
    steps = next_steps(load_run(run, settings), ["crystal-0-1", "absent", "crystal-0-0", "crystal-0-2"])
    split = [shlex.split(step.command) for step in steps]
    assert all(words[0] == "adit" for words in split)
    return {" ".join(words[1:3]) if words[1] == "ledger" else words[1]: words[1:] for words in split}


def _data(run: Path) -> None:
    """Make the relaxed crystals the data of the run too."""
    shard = sorted((run / "relaxed/crystal").glob("*.arrow"))[0]
    store.write_systems(run / "data/some.arrow", list(store.read_systems(shard).systems()))


def test_every_command_parses_and_names_files_that_are_there(run: Path) -> None:
    _data(run)
    by_verb = commands(run)
    assert set(by_verb) == {"dossier", "ledger add", "known", "relax", "sample"}
    for words in by_verb.values():
        args = parser().parse_args(words)
        named = [getattr(args, name, None) for name in ("files", "runs", "run", "vae", "dit")]
        named.append([Path(text) for text in args.reference] if words[0] == "known" else None)
        for value in named:
            for path in value if isinstance(value, list) else [value]:
                assert path is None or path.exists(), path


def test_dft_takes_the_best_candidates_alone(run: Path) -> None:
    """In the order of the page, and only those that were relaxed; without any there is no command."""
    args = parser().parse_args(commands(run)["relax"])
    assert args.only == ["crystal-0-1", "crystal-0-0"]
    assert args.files == [Path("results/my run/relaxed/crystal/0.arrow")]
    steps = next_steps(load_run(run, "{}"), ["crystal-0-2"])
    assert not any(" relax " in step.command for step in steps)


def test_the_page_names_its_best_candidates(run: Path) -> None:
    builder = _Builder(Config().stage(ReportStage, name="x"), load_run(run, "{}"), run / "report")
    assert builder._best()[:2] == ["crystal-0-0", "crystal-0-1"]


def test_a_run_without_scores_has_no_commands(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert next_steps(load_run(tmp_path / "empty", "{}"), []) == []


def test_the_look_up_works_as_copied_and_finds_the_data(run: Path) -> None:
    assert "known" not in commands(run)
    _data(run)
    assert main(commands(run)["known"]) == 0
    table = Path("results/my run-known.csv").read_text()
    assert ",known,files," in table


def test_the_ledger_and_more_samples_work_as_copied(run: Path) -> None:
    by_verb = commands(run)
    assert main(by_verb["ledger add"]) == 0
    assert Path("results/ledger.sqlite").is_file()
    words = by_verb["sample"]
    words[words.index("--n") + 1] = "1"
    assert main(words) == 0
    table = store.read_systems(words[words.index("--out") + 1])
    assert len(table) == 1
    assert table.metadata["seed"] == 5


@pytest.mark.slow
def test_the_dossiers_work_as_copied(run: Path) -> None:
    assert main(commands(run)["dossier"]) == 0
    assert (Path(f"{run}-dossiers") / "index.html").is_file()
