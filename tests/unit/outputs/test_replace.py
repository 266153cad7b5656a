"""What a verb may replace and remove: what its own manifest names, and nothing else, also when it is killed."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from adit import store
from adit.errors import ConfigError, ExternalToolError
from adit.outputs.check import ADOPT_VARIABLE
from adit.outputs.held import held
from adit.outputs.manifest import Manifest, State, file_key, folder_key
from adit.outputs.parts import sweep
from adit.outputs.replace import check_folder, remove_all, replaced_files, replaced_folder
from adit.outputs.scratch import Scratch

Files = dict[str, str]


def write(out: Path, files: Files, **options: object) -> None:
    with replaced_folder(out, "report", **options) as new:  # type: ignore[arg-type]
        for name, text in files.items():
            store.write_text(new / name, text)


def there(folder: Path) -> Files:
    """Return the files that are no one's but the users'."""
    paths = [path for path in folder.rglob("*") if path.is_file() and ".adit" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in paths}


def test_what_is_not_written_again_goes_and_what_others_put_there_stays(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "1", "figures/b.svg": "1"})
    (tmp_path / "figures/mine.svg").write_text("mine")
    write(tmp_path, {"a.txt": "2", "tables/c.csv": "2"})
    assert there(tmp_path) == {"a.txt": "2", "tables/c.csv": "2", "figures/mine.svg": "mine"}
    remove_all(tmp_path, "report")
    assert there(tmp_path) == {"figures/mine.svg": "mine"}
    assert not (tmp_path / ".adit").exists()


@pytest.mark.parametrize("name", ["a.txt", "figures/b.svg"])
def test_a_file_of_others_at_the_place_is_refused_and_adopted(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(ConfigError, match=r"no manifest lists.*--adopt"):
        write(tmp_path, {"a.txt": "1", "figures/b.svg": "1"})
    assert there(tmp_path) == {name: "mine"}
    monkeypatch.setenv(ADOPT_VARIABLE, "1")
    write(tmp_path, {"a.txt": "1", "figures/b.svg": "1"})
    assert there(tmp_path) == {"a.txt": "1", "figures/b.svg": "1"}


def test_a_file_that_was_changed_is_neither_replaced_nor_removed(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "1", "b.txt": "1"})
    (tmp_path / "a.txt").write_text("by hand")
    with pytest.raises(ConfigError, match="was changed since"):
        write(tmp_path, {"a.txt": "2"})
    write(tmp_path, {"c.txt": "3"})
    assert there(tmp_path) == {"a.txt": "by hand", "c.txt": "3"}


SPELT = (
    "as it is",
    "relative",
    "link",
    "hard link",
    "folder",
    "link to the folder",
    "hard link in a folder",
    "link in one",
)


@pytest.mark.parametrize("spelt", SPELT)
def test_an_input_is_never_written_over_under_whatever_name(
    tmp_path: Path, spelt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    write(out, {"a.txt": "1"})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(ADOPT_VARIABLE, "1")  # an input is never adopted
    names: dict[str, Callable[[], Path]] = {
        "as it is": lambda: out / "a.txt",
        "relative": lambda: Path("out/../out/a.txt"),
        "link": lambda: _linked(tmp_path / "other.txt", out / "a.txt"),
        "hard link": lambda: _hard_linked(tmp_path / "other.txt", out / "a.txt"),
        "folder": lambda: out,
        "link to the folder": lambda: _linked(tmp_path / "other", out),
        "hard link in a folder": lambda: _hard_linked(tmp_path / "in/deep/a.txt", out / "a.txt").parent.parent,
        "link in one": lambda: _linked(tmp_path / "in/deep/a.txt", out / "a.txt").parent.parent,
    }
    given = names[spelt]()
    for files in ({"a.txt": "2"}, {"b.txt": "2"}):  # replaced, or removed
        with pytest.raises(ConfigError, match="input"):
            write(out, files, inputs=[given])
        assert (out / "a.txt").read_text() == "1"
    with pytest.raises(ConfigError, match="input"):
        check_folder(out, "report", inputs=[given], names=["a.txt"])


def _linked(path: Path, target: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
    return path


def _hard_linked(path: Path, target: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.link(target, path)
    return path


@pytest.mark.parametrize("adopt", ["0", "1"])
@pytest.mark.parametrize("target", ["precious", "nowhere", "out"])
def test_a_link_at_the_place_of_an_output_is_neither_followed_nor_replaced(
    tmp_path: Path, target: str, adopt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ADOPT_VARIABLE, adopt)
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a.txt").symlink_to(tmp_path / target)
    with pytest.raises(ConfigError, match="is a link"):
        write(tmp_path / "out", {"a.txt": "1"})
    with pytest.raises(ConfigError, match="is a link"), replaced_files([tmp_path / "out/a.txt"], "take"):
        pass
    with pytest.raises(ConfigError, match="is a link"):
        Scratch(tmp_path / "out", "dft").promise(["a.txt"])
    assert (tmp_path / "precious").read_text() == "mine"
    assert (tmp_path / "out/a.txt").readlink() == tmp_path / target


def test_nothing_is_removed_behind_a_link(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, {"figures/b.svg": "1", "a.txt": "1"})
    (out / "figures").rename(tmp_path / "paper")
    (out / "figures").symlink_to(tmp_path / "paper")
    write(out, {"a.txt": "2"})
    assert (tmp_path / "paper/b.svg").read_text() == "1"


@pytest.mark.timeout(60)
def test_a_folder_that_is_a_link_to_nothing_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("nothing")
    with pytest.raises(ConfigError, match="is a link to nothing, which does not exist; make that folder"):
        write(tmp_path / "out/below", {"a.txt": "1"})


def test_a_link_at_the_place_of_the_manifests_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Downloads").mkdir()
    (tmp_path / "Downloads/film.part").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/.adit").symlink_to(tmp_path / "Downloads")
    with pytest.raises(ConfigError, match="is a link"):
        write(tmp_path / "out", {"a.txt": "1"})
    store.write_text(tmp_path / "Downloads/x.txt", "1")
    assert (tmp_path / "Downloads/film.part").read_text() == "mine"


def test_a_manifest_cannot_name_what_lies_outside_its_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, {"a.txt": "1"})
    (tmp_path / "precious").write_text("1")  # the very content, so that its hash holds
    manifest = Manifest.read(out, folder_key("report"), "report")
    record = {"verb": "report", "files": {**manifest.files, "../precious": manifest.files["a.txt"]}}
    store.write_json(manifest.path, record)
    write(out, {"b.txt": "2"})
    assert (tmp_path / "precious").read_text() == "1"


def test_nothing_is_left_where_the_work_fails(tmp_path: Path) -> None:
    def fail() -> None:
        with replaced_folder(tmp_path / "new/out", "report") as new:
            store.write_text(new / "a.txt", "1")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_files_are_replaced_one_by_one_and_what_is_not_written_stays(tmp_path: Path) -> None:
    paths = [tmp_path / "a/x.csv", tmp_path / "b/y.json"]
    for text in ("1", "2"):
        with replaced_files(paths, "tune") as (first, second):
            store.write_text(first, text)
            if text == "1":
                store.write_text(second, text)
    assert [path.read_text() for path in paths] == ["2", "1"]
    with pytest.raises(ConfigError, match="no manifest"), replaced_files(paths, "hull"):
        pass
    for name in ("a", "a/../a/x.csv"):
        with pytest.raises(ConfigError), replaced_files([paths[0], tmp_path / name], "tune"):
            pass


def test_a_very_long_name_has_a_manifest(tmp_path: Path) -> None:
    path = tmp_path / f"{'x' * 240}.csv"
    for text in ("1", "2"):
        with replaced_files([path], "hull") as (new,):
            store.write_text(new, text)
    assert path.read_text() == "2"
    assert Manifest.read(tmp_path, file_key(path.name), "hull").state(path.name) is State.OWN


def test_a_name_that_is_not_text_has_a_manifest(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.csv")
    for text in ("1", "2"):
        with replaced_files([path], "hull") as (new,):
            store.write_text(new, text)
    assert path.read_text() == "2"
    assert Manifest.read(tmp_path, file_key(path.name), "hull").state(path.name) is State.OWN


@pytest.mark.parametrize("name", ["verb-report.lock", "0123456789abcdef.part"])
def test_links_among_the_manifests_are_not_followed(tmp_path: Path, name: str) -> None:
    (tmp_path / "out/.adit").mkdir(parents=True)
    (tmp_path / "out/.adit" / name).symlink_to(tmp_path / "elsewhere")
    if name.endswith(".lock"):
        with pytest.raises(ConfigError, match="is a link"):
            write(tmp_path / "out", {"a.txt": "1"})
    else:
        (tmp_path / "elsewhere").write_text("mine")
        write(tmp_path / "out", {"a.txt": "1"})
        assert (tmp_path / "out/.adit" / name).is_symlink()
    assert not (tmp_path / "elsewhere").exists() or (tmp_path / "elsewhere").read_text() == "mine"


@pytest.mark.timeout(20)
def test_a_pipe_at_the_place_of_a_manifest_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / ".adit").mkdir()
    os.mkfifo(tmp_path / ".adit/verb-report.json")
    write(tmp_path, {"a.txt": "1"})
    assert there(tmp_path) == {"a.txt": "1"}


def test_two_processes_do_not_write_the_same_outputs(tmp_path: Path) -> None:
    with held(tmp_path, "verb-report", "report"):
        errors: list[BaseException] = []

        def other() -> None:
            try:
                with held(tmp_path, "verb-report", "report", patience_s=0.3):
                    pass
            except ExternalToolError as error:
                errors.append(error)

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert "another run works here" in str(errors[0])
    with held(tmp_path, "verb-report", "report", patience_s=0.0):
        pass


# --- kills ------------------------------------------------------------------------------------------------------------

OPERATIONS = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "open")


def killed_at(operation: int, out: Path) -> bool:
    """Write in a child process that kills itself before its n-th operation on files; return whether it was killed."""
    child = os.fork()
    if child == 0:
        left = [operation]

        def hook(event: str, _: object) -> None:
            if event in OPERATIONS:
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        try:
            write(out, dict.fromkeys(("a.txt", "figures/b.svg", "new.txt"), "2"), names=["a.txt"])
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def test_a_kill_at_any_step_leaves_whole_files_and_the_same_command_goes_on(tmp_path: Path) -> None:
    for operation in range(1, 400):
        out = tmp_path / str(operation)
        write(out, {"a.txt": "1", "figures/b.svg": "1", "old.txt": "1"})
        (out / "figures/mine.svg").write_text("mine")
        killed = killed_at(operation, out)
        files_there = there(out)
        assert files_there["figures/mine.svg"] == "mine"
        assert set(files_there.values()) <= {"1", "2", "mine"}
        assert {"a.txt", "figures/b.svg"} <= set(files_there)
        write(out, {"a.txt": "3", "figures/b.svg": "3"})
        assert there(out) == {"a.txt": "3", "figures/b.svg": "3", "figures/mine.svg": "mine"}
        assert sorted(path.name for path in (out / ".adit").iterdir()) == ["verb-report.json"]
        if not killed:
            assert operation > 20
            return
    raise AssertionError("never got through")


def test_temporary_files_of_killed_processes_are_swept_and_those_in_use_are_not(tmp_path: Path) -> None:
    code = (
        "import os, sys, signal; from adit import store\n"
        "with store.atomic_path(sys.argv[1]) as part:\n"
        "    part.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.txt")], check=False)
    assert len(list(tmp_path.rglob("*.part"))) == 1
    with store.atomic_path(tmp_path / "b.txt") as part:
        part.write_text("whole")
        sweep(tmp_path)
        assert list(tmp_path.rglob("*.part")) == [part]
    assert [path.name for path in tmp_path.rglob("*")] == ["b.txt"]


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_files_have_the_permissions_of_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write(tmp_path / "out", {"a.txt": "1"})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out/a.txt").stat().st_mode) == 0o666 & ~umask


# --- intermediate files -----------------------------------------------------------------------------------------------


def test_scratch_is_removed_by_name(tmp_path: Path) -> None:
    (tmp_path / "5.arrow").write_text("mine")
    scratch = Scratch(tmp_path, "prepare")
    with pytest.raises(ConfigError, match="no manifest"):
        scratch.promise(["5.arrow"])
    scratch.promise(["key/0.arrow", "key/1.arrow"])
    store.write_text(tmp_path / "key/0.arrow", "x")
    again = Scratch(tmp_path, "prepare")
    again.remove([*again.names, "5.arrow"])
    assert there(tmp_path) == {"5.arrow": "mine"}
    assert [path.name for path in tmp_path.iterdir()] == ["5.arrow"]


def test_a_run_folder_that_others_added_to_is_kept(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path, "dft")
    scratch.promise(["run"])
    store.write_text(tmp_path / "run/out.txt", "x")
    scratch.list_tree("run")
    Scratch(tmp_path, "dft").remove_tree("run")
    assert not (tmp_path / "run").exists()
    store.write_text(tmp_path / "run/out.txt", "x")
    scratch.list_tree("run")
    store.write_text(tmp_path / "run/notes.txt", "mine")
    Scratch(tmp_path, "dft").remove_tree("run")
    assert (tmp_path / "run-1/notes.txt").read_text() == "mine"
