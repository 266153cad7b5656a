"""``adit clean``: nothing of others is removed, whatever it looks like, and no link is followed."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path

import pytest

from adit.cli import main
from adit.data.sources.locks import alone
from adit.errors import ExternalToolError
from adit.outputs.check import ADOPT_VARIABLE
from adit.outputs.clean import clean
from adit.outputs.logs import HEADER
from adit.outputs.replace import replaced_files, replaced_folder
from adit.outputs.scratch import Scratch

MINE = "nobody else's"


def text(path: Path, content: str = MINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def run_folder(folder: Path) -> Path:
    """Return a run with one output, a log, times and a cached result."""
    with replaced_files([folder / "hull/hull.parquet"], "hull") as (new,):
        new.write_text("table")
    text(folder / "logs/hull.log", HEADER.format(stage="hull"))
    text(folder / "benchmarks/hull.tsv", "s\th:m:s\tmax_rss\n")
    text(folder / "state/score/0123456789ab.json", "{}")
    return folder


def test_what_a_run_wrote_goes_with_its_folders(tmp_path: Path) -> None:
    run_folder(tmp_path / "results/a")
    text(tmp_path / "results/README.md")
    count, left = clean(tmp_path / "results")
    assert (count, left) == (4, [tmp_path / "results/README.md"])
    assert list((tmp_path / "results").iterdir()) == [tmp_path / "results/README.md"]


def test_files_of_others_that_look_like_outputs_stay(tmp_path: Path) -> None:
    run_folder(tmp_path / "results/a")
    mine = [
        text(tmp_path / "results/server.log", "[info] started\n"),
        text(tmp_path / "results/other/logs/run.log", HEADER.format(stage="hull")),
        text(tmp_path / "results/other/benchmarks/bench.tsv", "s\th:m:s\n"),
        text(tmp_path / "results/state/x/0123456789ab.json"),
        text(tmp_path / "results/a/hull/.adit/notes.txt"),
        text(tmp_path / "results/a/logs/notes.txt"),
        text(tmp_path / "results/a/hull/mine.parquet"),
    ]
    (tmp_path / "results/empty").mkdir()
    _, left = clean(tmp_path / "results")
    assert left == sorted(mine)
    assert (tmp_path / "results/empty").is_dir()


def test_no_link_is_followed_and_a_named_folder_is_not_removed_whole(tmp_path: Path) -> None:
    thesis = text(tmp_path / "home/thesis.tex")
    chapter = text(tmp_path / "home/sub/chapter.tex")
    run = tmp_path / "results/run"
    own = text(run / "dft/run/mynotes.txt")
    (run / "state").symlink_to(tmp_path / "home")
    names = dict.fromkeys(["state/thesis.tex", "state/sub", "../../home/thesis.tex", "dft/run"], "")
    text(run / ".adit/verb-vae.json", json.dumps({"verb": "vae", "files": names}))
    clean(tmp_path / "results")
    assert thesis.exists()
    assert chapter.exists()
    assert own.exists()
    assert (run / "state").is_symlink()


def test_other_folders_and_snakemakes_own_are_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kept = [text(tmp_path / ".snakemake/conda/abc/python"), text(tmp_path / ".snakemake/metadata/x")]
    assert main(["clean", "no-such-folder"]) == 2
    assert main(["clean", "."]) == 0
    assert all(path.exists() for path in kept)


def test_a_folder_that_another_process_writes_to_is_left_alone(tmp_path: Path) -> None:
    run_folder(tmp_path / "A/results/a")
    lock = text(tmp_path / "A/results/a/hull/.adit/verb-hull.lock", "")
    with lock.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(ExternalToolError, match="another process writes there"):
            clean(tmp_path / "A/results")
    assert (tmp_path / "A/results/a/hull/hull.parquet").exists()


def test_a_workflow_above_the_folder_keeps_clean_out(tmp_path: Path) -> None:
    run_folder(tmp_path / "A/results/a")
    with text(tmp_path / "A/.snakemake/adit.lock", "").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert main(["clean", str(tmp_path / "A/results")]) == 4
    assert (tmp_path / "A/results/a/hull/hull.parquet").exists()


def test_a_folder_of_others_at_the_place_of_a_dft_run_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADOPT_VARIABLE, "1")
    text(tmp_path / "run/OUTCAR")
    Scratch(tmp_path, "dft").remove_tree("run")
    assert (tmp_path / "run-1/OUTCAR").read_text() == MINE


def test_locks_and_finished_relaxations_are_this_packages_own(tmp_path: Path) -> None:
    out = tmp_path / "results/X"
    with replaced_folder(out, "relax") as new:
        (new / "relaxed.csv").write_text("x")
    text(out / f".relax/{'0a' * 32}.json", "{}")
    run = run_folder(tmp_path / "results/a")
    with alone(run / "state/prepare/builtin-crystals"), alone(out / ".x.arrow.shards"):
        pass
    text(run / "dft/Si/.adit/dft.lock", "")
    text(run / ".adit/state.lock", "")
    kept = [
        text(out / ".relax/notes.json"),
        text(run / "state/prepare/.adit/mine.txt"),
        text(run / "state/other/.adit/mine.lock"),  # with content
        text(tmp_path / f"results/mine/.relax/{'0a' * 32}.json"),  # of no folder of this package
        text(tmp_path / "results/mine/.adit/x.lock", ""),
    ]
    _, left = clean(tmp_path / "results")
    assert {path for path in (tmp_path / "results").rglob("*") if path.is_file()} == set(kept)
    assert left == sorted(kept)


def test_a_lock_that_is_held_keeps_clean_out(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "results/a")
    with alone(run / "state/prepare/builtin-crystals"), pytest.raises(ExternalToolError, match="another process"):
        clean(tmp_path / "results")
    assert (run / "hull/hull.parquet").exists()


def test_nothing_above_the_named_folder_is_removed(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "results/a")
    assert clean(run / "hull") == (1, [])
    assert (run / "logs/hull.log").exists()
    assert (run / "state/score/0123456789ab.json").exists()
