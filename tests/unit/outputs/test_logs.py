"""``--log``: a file of others, an input or an output is never written over; a log of this package is replaced."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adit import store
from adit.cli import main
from adit.progress import log

MINE = "mine, and nobody else's"


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    yield
    for handler in log.handlers:
        handler.close()
    log.handlers.clear()


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(folder: Path, *words: str | Path, capfd: pytest.CaptureFixture[str]) -> str:
    """Run a verb that has to be refused and to change nothing; return what it says."""
    before = files(folder)
    assert main([str(word) for word in words]) == 2
    assert files(folder) == before
    (line,) = capfd.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize(
    "start",
    [MINE, "[user] my settings\n", "[relaxed] NaCl\n", "[vae] training\n", "# log of adit\n", "# log of aditx y\n"],
)
def test_a_file_of_others_is_kept(tmp_path: Path, start: str, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "settings.ini").write_text(start)
    line = refused(tmp_path, "schema", "--out", tmp_path / "s.json", "--log", tmp_path / "settings.ini", capfd=capfd)
    assert "not a log of adit" in line


@pytest.mark.parametrize("adopt", [False, True])
def test_a_file_in_a_folder_of_inputs_is_no_log(tmp_path: Path, adopt: bool, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "G"
    folder.mkdir()
    (folder / "cu.cif").write_text(MINE)
    words = ["relax", folder, "--out", tmp_path / "X", *(["--adopt"] if adopt else [])]
    assert "which this command uses" in refused(tmp_path, *words, "--log", folder / "cu.cif", capfd=capfd)
    assert "which this command uses" in refused(tmp_path, *words, "--log", folder / "new.cif", capfd=capfd)


def test_only_logs_are_adopted_as_logs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("model.safetensors", "samples.arrow", "notes"):
        (tmp_path / name).write_text(MINE)
        words = ("schema", "--out", tmp_path / "s.json", "--adopt", "--log", tmp_path / name)
        assert "not a log of adit" in refused(tmp_path, *words, capfd=capfd)
    (tmp_path / "old.log").write_text("[relax] 3 converged\n")
    assert main(["schema", "--out", str(tmp_path / "s.json"), "--adopt", "--log", str(tmp_path / "old.log")]) == 0


def test_a_log_is_replaced(tmp_path: Path) -> None:
    words = ["schema", "--out", str(tmp_path / "s.json"), "--log", str(tmp_path / "logs/own.log")]
    assert main(words) == 0
    first = (tmp_path / "logs/own.log").read_text()
    assert first.startswith("# log of adit schema\n")
    assert main(words) == 0
    assert (tmp_path / "logs/own.log").read_text().count("# log of adit schema\n") == 1
    assert main(["check", "--config", str(tmp_path / "none.yaml"), "--log", str(tmp_path / "logs/own.log")]) != 0
    second = (tmp_path / "logs/own.log").read_text()
    assert second.startswith("# log of adit check\n[check] error: ")


POSCAR = "\n1.0\n4 0 0\n0 4 0\n0 0 4\nNa Cl\n1 1\ndirect\n0 0 0\n0.5 0.5 0.5\n"


@pytest.mark.parametrize("spelt", ["POSCAR", "x/../POSCAR", "hard"])
@pytest.mark.parametrize("comment", ["[relaxed] NaCl", "# log of adit relax"])
@pytest.mark.parametrize("adopt", [False, True])
def test_an_input_is_never_a_log(
    tmp_path: Path, spelt: str, comment: str, adopt: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "POSCAR").write_text(comment + POSCAR)
    (tmp_path / "hard").hardlink_to(tmp_path / "POSCAR")
    words = ["score", tmp_path / "POSCAR", "--out", tmp_path / "S", "--log", tmp_path / spelt]
    assert "reads or writes" in refused(tmp_path, *words, *(["--adopt"] if adopt else []), capfd=capfd)


def test_a_configuration_is_never_a_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c.yaml").write_text("# log of adit plan\nname: x\n")
    line = refused(tmp_path, "check", "--config", tmp_path / "c.yaml", "--log", tmp_path / "c.yaml", capfd=capfd)
    assert "reads or writes" in line


def test_an_output_is_no_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    line = refused(tmp_path, "schema", "--out", tmp_path / "s.json", "--log", tmp_path / "s.json", capfd=capfd)
    assert "reads or writes" in line
    store.write_text(tmp_path / "o/.adit/file-x.json", "{}")
    refused(tmp_path, "schema", "--out", tmp_path / "s.json", "--log", tmp_path / "o/.adit/file-x.json", capfd=capfd)


def test_a_link_is_no_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("")
    (tmp_path / "x.log").symlink_to(tmp_path / "mine.txt")
    refused(tmp_path, "schema", "--out", tmp_path / "s.json", "--log", tmp_path / "x.log", capfd=capfd)


@pytest.mark.parametrize(
    "name",
    ["S/scores/crystal.parquet", "S/report/index.html", "S/notes.txt", "link/samples/x", "S"],
)
def test_a_log_never_takes_the_name_of_an_output(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "POSCAR").write_text("NaCl" + POSCAR)
    (tmp_path / "link").symlink_to("S")
    words = ["score", tmp_path / "POSCAR", "--out", tmp_path / "S", "--workers", "1"]
    line = refused(tmp_path, *words, "--log", tmp_path / name, capfd=capfd)
    assert "let it end with .log" in line or "reads or writes" in line
    assert not (tmp_path / "S").exists()


def test_a_log_beside_a_file_does_not_have_its_name(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "s.json"
    for name in ("s.csv", "s.stats.json", "s/prototypes.parquet"):
        assert "let it end with .log" in refused(
            tmp_path, "schema", "--out", out, "--log", tmp_path / name, capfd=capfd
        )
    for name in ("s.log", "other.txt", "s/x.log"):
        assert main(["schema", "--out", str(out), "--log", str(tmp_path / name)]) == 0
        assert (tmp_path / name).read_text().startswith("# log of adit schema")
