"""Cases that were reported: files of a user that a verb destroyed, and messages and cells that could do harm."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from adit import config, convert, store
from adit.cli import main
from adit.errors import DataError
from adit.progress import log, setup
from tests.unit.outputs import world

MINE = "mine, and nobody else's"


def everything(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder, without those of manifests."""
    paths = [path for path in folder.rglob("*") if path.is_file() and ".adit" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture
def refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a verb that has to be refused with exit code 2 and one line, and to change nothing; return the line."""

    def run(*words: str | Path) -> str:
        before = everything(tmp_path)
        capfd.readouterr()
        code = main([str(word) for word in words])
        said = capfd.readouterr().err
        assert everything(tmp_path) == before
        assert code == 2, said
        (line,) = [line for line in said.splitlines() if "error: " in line]
        return line

    return run


def test_a_bundle_over_the_model_that_it_packs_is_refused(tmp_path: Path, refused: Callable[..., str]) -> None:
    for name in ("vae", "dit"):
        store.write_json(tmp_path / f"W/{name}/config.json", {"vae_sha256": ""})
        store.write_text(tmp_path / f"W/{name}/model.safetensors", "weights")
        store.write_text(tmp_path / f"W/{name}/metrics.csv", "step")
    line = refused("bundle", "--vae", tmp_path / "W/vae", "--dit", tmp_path / "W/dit", "--out", tmp_path / "W")
    assert "input" in line


@pytest.mark.parametrize("adopt", [False, True])
def test_a_state_folder_with_files_of_others_keeps_them(tmp_path: Path, adopt: bool) -> None:
    (tmp_path / "state/mine").mkdir(parents=True)
    (tmp_path / "state/mine/thesis.tex").write_text(MINE)
    (tmp_path / "state/0.arrow").write_text(MINE)
    chosen = config.ChosenDataset(name="builtin-crystals", limit=16)
    prepare = world.stage(config.PrepareStage, 0, dataset=chosen, custom=None)
    words = [
        "stage",
        "prepare",
        "--config",
        prepare,
        "--out",
        str(tmp_path / "x.arrow"),
        "--state",
        str(tmp_path / "state"),
    ]
    assert main([*words, *(["--adopt"] if adopt else [])]) == 0
    assert everything(tmp_path / "state") == {"mine/thesis.tex": MINE.encode(), "0.arrow": MINE.encode()}


@pytest.mark.parametrize("name", ["structures/mine.cif", "structures"])
def test_relaxing_a_file_into_its_own_place_is_refused(tmp_path: Path, name: str, refused: Callable[..., str]) -> None:
    store.write_text(tmp_path / "X/structures/mine.cif", convert.to_cif(world.SALT))
    store.write_text(tmp_path / "X/structures/other.txt", MINE)
    assert "input" in refused("relax", tmp_path / "X" / name, "--out", tmp_path / "X")


def test_a_report_keeps_figures_tables_and_data_of_the_user(tmp_path: Path) -> None:
    store.write_json(tmp_path / "R/scores/summary.json", [])
    suffixes = (".svg", ".csv", ".js", ".pdf")
    mine = {f"{name}/mine{suffix}" for name in ("figures", "tables", "data") for suffix in suffixes}
    for name in mine:
        store.write_text(tmp_path / "D" / name, MINE)
    stage = world.stage(config.ReportStage, 0)
    for _ in range(2):
        assert main(["report", "--config", stage, "--run", str(tmp_path / "R"), "--out", str(tmp_path / "D")]) == 0
        assert mine < set(everything(tmp_path / "D"))
        assert "index.html" in everything(tmp_path / "D")


def test_a_report_into_the_scores_that_it_reads_is_refused(tmp_path: Path, refused: Callable[..., str]) -> None:
    store.write_json(tmp_path / "R/scores/summary.json", [])
    stage = world.stage(config.ReportStage, 0)
    refused("report", "--config", stage, "--run", tmp_path / "R", "--out", tmp_path / "R/scores")


def test_a_page_that_is_an_input_of_new_scores_is_not_removed(tmp_path: Path, refused: Callable[..., str]) -> None:
    from adit.outputs.replace import replaced_folder

    store.write_text(tmp_path / "salt.cif", convert.to_cif(world.SALT))
    with replaced_folder(tmp_path / "S/report", "report") as new:
        store.write_text(new / "tables/salt.cif", convert.to_cif(world.SALT))
    line = refused("score", tmp_path / "S/report/tables/salt.cif", "--out", tmp_path / "S", "--workers", "1")
    assert "input" in line


@pytest.mark.parametrize("spelt", ["S/samples/crystal/samples.arrow", "S/samples", "S", "link.arrow"])
def test_scoring_samples_into_their_own_folder_is_refused(
    tmp_path: Path, spelt: str, refused: Callable[..., str]
) -> None:
    store.write_systems(tmp_path / "S/samples/crystal/samples.arrow", [world.SALT])
    (tmp_path / "link.arrow").symlink_to(tmp_path / "S/samples/crystal/samples.arrow")
    assert "input" in refused("score", tmp_path / spelt, "--out", tmp_path / "S", "--workers", "1")


def test_one_broken_arrow_among_the_samples_is_one_failure_row(tmp_path: Path) -> None:
    store.write_systems(tmp_path / "good.arrow", [world.SALT])
    (tmp_path / "broken.arrow").write_bytes(b"ARROW1 and then nothing")
    given = [str(tmp_path / name) for name in ("good.arrow", "broken.arrow")]
    assert main(["score", *given, "--out", str(tmp_path / "S"), "--workers", "1", "--cache", str(tmp_path / "c")]) == 0
    rows = store.read_systems(tmp_path / "S/samples/crystal/samples.arrow")
    assert len(rows) == 2
    (failure,) = rows.failures()
    assert "broken" in failure.system_id
    assert "not readable" in failure.reason
    assert "delete" not in failure.reason


def test_the_advice_on_a_broken_file_is_for_whose_it_is(tmp_path: Path) -> None:
    from adit.outputs.replace import replaced_files

    (tmp_path / "mine.arrow").write_text("broken")
    with pytest.raises(DataError, match="not readable") as caught:
        store.read_systems(tmp_path / "mine.arrow")
    assert "delete" not in str(caught.value)
    with replaced_files([tmp_path / "ours.arrow"], "take") as (new,):
        store.write_systems(new, [world.SALT])
    (tmp_path / "ours.arrow").write_text("broken")
    with pytest.raises(DataError, match="delete it and run the stage"):
        store.read_systems(tmp_path / "ours.arrow")


@pytest.mark.parametrize("words", ["fetch --list", "prepare --dataset builtin-crystals --out x.arrow"])
def test_datasets_need_no_configuration_file_in_the_folder(
    tmp_path: Path, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == 0


def test_fetch_without_a_configuration_asks_for_the_default_datasets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from adit.data.sources import fetch

    calls: list[str] = []
    monkeypatch.setattr(fetch, "fetch_all", lambda names, *_, **__: calls.extend(names))
    monkeypatch.chdir(tmp_path)
    assert main(["fetch", "--dataset", "qmof"]) == 0
    assert main(["fetch"]) == 0
    assert calls == ["qmof", "mp20", "qm9"]


HIDDEN_FORMULAS = [
    "\n=1+1",
    "\r\n=1",
    " =1",
    "\x00=1",
    "\ufeff+1+1",
    "\xa0@SUM(1)",
    "' =x",
    "'\n'=x",
    "\u200b-1+1",
    "\uff1d1+1",
]


@pytest.mark.parametrize(
    "text", ["=HYPERLINK(1)", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "'=x", "''+x", *HIDDEN_FORMULAS]
)
def test_cells_that_a_spreadsheet_would_compute_are_text(tmp_path: Path, text: str) -> None:
    frame = pd.DataFrame({"system_id": [text, "plain"], text: [-1.5, 2.0], "formula": ["NaCl", "-1.5"]})
    store.write_frame(tmp_path / "x.csv", frame)
    with (tmp_path / "x.csv").open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    starts = {cell: cell.lstrip(" \n\r\t\0\xa0\ufeff\u200b")[:1] for cell in cells}
    assert not [cell for cell in cells if starts[cell] in tuple("=+@\uff1d") or cell[:1] in tuple("\t\r")]
    assert not [cell for cell in cells if starts[cell] == "-" and not _is_number(cell)]
    pd.testing.assert_frame_equal(store.read_frame(tmp_path / "x.csv"), frame, check_dtype=False)


CONTROLS = [
    "a\x1b[31mred",
    "a\x00b",
    "two\nlines",
    "a\r",
    "\t=1\\",
    "\x85\u2028",
    r"\x1b",
    r"C:\\\x1b",
    r"\\x0a",
    "\\\n",
    r"C\C=C\xc5",
]


@pytest.mark.parametrize("text", CONTROLS)
def test_control_characters_are_escapes_in_tables_of_text(tmp_path: Path, text: str) -> None:
    frame = pd.DataFrame({"system_id": [text, "plain"], text: ["x", f"={text}"]})
    store.write_frame(tmp_path / "x.csv", frame)
    written = (tmp_path / "x.csv").read_bytes().decode()
    assert written.replace("\n", "").isprintable()
    assert written.count("\n") == 3
    pd.testing.assert_frame_equal(store.read_frame(tmp_path / "x.csv"), frame, check_dtype=False)
    if text == CONTROLS[-1]:
        assert f"{text}," in written  # backslashes of SMILES and paths stay


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def test_messages_hold_no_raw_bytes_and_end(capfd: pytest.CaptureFixture[str]) -> None:
    setup("score")
    log.warning("%s: %s", "a\x1b[31m\x00\udcff.cif", "column, " * 20_000)
    (line,) = capfd.readouterr().err.splitlines()
    assert len(line) < 3000
    assert line.isprintable()


def test_outputs_never_go_into_a_folder_of_inputs_nor_through_a_link(
    tmp_path: Path, refused: Callable[..., str]
) -> None:
    store.write_text(tmp_path / "D/mine.cif", convert.to_cif(world.SALT))
    assert "input" in refused("relax", tmp_path / "D", "--out", tmp_path / "D/out")
    (tmp_path / "P").mkdir()
    (tmp_path / "Y").mkdir()
    (tmp_path / "Y/structures").symlink_to("../P")
    assert "link" in refused("relax", tmp_path / "D/mine.cif", "--out", tmp_path / "Y")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("prepare mine.cif --out mine.cif", "mine.cif: is the input mine.cif"),
        ("prepare mine.cif --out hard.cif", "hard.cif: is a file"),
        ("prepare mine.cif --out mine.cif/x.arrow", "mine.cif is the input mine.cif"),
        ("prepare mine.cif --out cu.txt/x.arrow", "cu.txt is a file, but a folder is needed"),
        ("prepare mine.cif --out x.arrow --state cu.txt/deep/x", "cu.txt is a file, but a folder is needed"),
        ("prepare --dataset builtin-crystals --out cu.txt", "cu.txt is a file, but a folder is needed"),
        ("prepare mine.cif --out .adit/x.arrow", "lies in a folder .adit"),
        ("prepare mine.cif --out D/../.ADIT/x.arrow", "lies in a folder .adit"),
        ("prepare mine.cif --out link/x.arrow", "lies in a folder .adit"),
        ("relax mine.cif --out cu.txt/o", "cu.txt is a file, but a folder is needed"),
        ("score mine.cif --out .adit", "lies in a folder .adit"),
        ("known mine.cif --out mine.cif", "is the input mine.cif"),
    ],
)
def test_an_output_that_cannot_be_there_is_one_line_before_anything_is_read(
    tmp_path: Path, words: str, reason: str, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("adit.readers.sources.entries", _read_too_early)
    monkeypatch.setattr("adit.readers.read.entries", _read_too_early)
    store.write_text(Path("mine.cif"), convert.to_cif(world.SALT))
    store.write_text(Path("cu.txt"), MINE)
    Path("hard.cif").write_text(MINE)
    Path("D/.adit").mkdir(parents=True)
    Path("link").symlink_to("D/.adit")
    assert reason in refused(*words.split())
    assert not [path for path in tmp_path.rglob("*") if path.name.casefold() == ".adit" and path.parent.name != "D"]


def _read_too_early(*_: object) -> None:
    raise AssertionError
