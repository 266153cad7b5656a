"""Ids: the same in every verb, whatever the order; folders, archives, titles and tables."""

from __future__ import annotations

import io
import itertools
import os
import tarfile
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from adit import store
from adit.errors import DataError
from adit.outputs.replace import replaced_folder
from adit.readers import ReadSettings, read_structures
from adit.readers.sources import check_paths, skipped_text
from adit.systems import Failure
from tests.unit.readers import cases


def ids(*paths: Path) -> dict[str, str]:
    """Return source by id."""
    return {
        each.row.system_id: Path(each.source).name for each in read_structures(list(paths), ReadSettings(workers=0))
    }


def write(path: Path, text: str = cases.SILICON) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_file_is_its_stem_and_a_folder_opens_the_name(tmp_path: Path) -> None:
    write(tmp_path / "a/gen_0.cif")
    write(tmp_path / "a/deep/er/gen_1.cif")
    assert list(ids(tmp_path / "a/gen_0.cif")) == ["gen_0"]
    assert list(ids(tmp_path / "a")) == ["a/deep/er/gen_1", "a/gen_0"]


def test_equal_names_get_their_folders_in_any_order(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{name}/gen_0.cif") for name in ("x/a", "x/b", "y/a")]
    expected = {"x/a/gen_0", "x/b/gen_0", "y/a/gen_0"}
    for order in itertools.permutations(files):
        assigned = ids(*order)
        assert {name if name.count("/") == 2 else f"x/{name}" for name in assigned} == expected
    assert set(ids(*files[:2])) == {"a/gen_0", "b/gen_0"}
    assert set(ids(tmp_path / "x/b", tmp_path / "x/a")) == {"a/gen_0", "b/gen_0"}


def test_files_that_differ_in_their_suffix_alone_keep_it(tmp_path: Path) -> None:
    write(tmp_path / "in/m.cif")
    write(tmp_path / "in/m.vasp", cases.poscar("x"))
    write(tmp_path / "in/n.cif", cases.SILICON + cases.SILICON.replace("data_", "data_2"))
    write(tmp_path / "in/n.vasp", cases.poscar("x") + cases.poscar("y"))
    assert set(ids(tmp_path / "in/m.cif", tmp_path / "in/m.vasp")) == {"m.cif", "m.vasp"}
    several = {"in/n.cif-1", "in/n.cif-2", "in/n.vasp-1", "in/n.vasp-2"}
    assert set(ids(tmp_path / "in")) == {"in/m.cif", "in/m.vasp"} | several


def test_equal_ids_of_two_tables_with_one_stem_name_the_table(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": ["m1", "m2"], "cif": [cases.SILICON, cases.SILICON]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame[:1].to_csv(tmp_path / "t.tsv", index=False, sep="\t")
    expected = {"t.csv/m1": "t.csv", "t.tsv/m1": "t.tsv", "m2": "t.csv"}
    assert ids(tmp_path / "t.csv", tmp_path / "t.tsv") == ids(tmp_path / "t.tsv", tmp_path / "t.csv") == expected


def test_a_folder_beside_its_archive_gets_numbers_in_any_order(tmp_path: Path) -> None:
    write(tmp_path / "A/g.cif")
    with zipfile.ZipFile(tmp_path / "A.zip", "w") as archive:
        archive.writestr("g.cif", cases.SILICON)
    folder, packed = tmp_path / "A", tmp_path / "A.zip"
    assert ids(folder, packed) == ids(packed, folder) == {"A/g": "A.zip:g.cif", "A/g-2": "g.cif"}


def test_a_file_that_is_given_twice_is_read_once(tmp_path: Path) -> None:
    file = write(tmp_path / "a/g.cif")
    for paths in ([file, file], [file, tmp_path / "a"], [tmp_path / "a", file]):
        assert len(ids(*paths)) == 1
    assert list(ids(file, tmp_path / "a")) == list(ids(tmp_path / "a", file)) == ["a/g"]


def test_archives_open_the_name_as_folders_do(tmp_path: Path) -> None:
    members = {"x/g_0.cif": cases.SILICON, "g_1.cif": cases.HYDRIDE, "notes.txt": "?"}
    with zipfile.ZipFile(tmp_path / "A.zip", "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    for name, text in members.items():
        write(tmp_path / "in" / name, text)
    for suffix, mode in ((".tar", "w"), (".tar.gz", "w:gz"), (".tgz", "w:gz"), (".tar.xz", "w:xz")):
        with tarfile.open(tmp_path / f"A{suffix}", mode) as packed:  # type: ignore[call-overload]
            packed.add(tmp_path / "in", arcname=".")
    for suffix in (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz"):
        assert list(ids(tmp_path / f"A{suffix}")) == ["A/g_1", "A/x/g_0"], suffix


def test_titles_are_ids_where_they_differ(tmp_path: Path) -> None:
    sdf = write(tmp_path / "m.sdf", cases.glycine(charges=True, title="one") + cases.glycine(charges=True, title="two"))
    assert list(ids(sdf)) == ["one", "two"]
    same = write(tmp_path / "s.sdf", cases.glycine(charges=True, title="one") * 2)
    assert list(ids(same)) == ["s-1", "s-2"]
    frames = "".join(cases.WATER.format(h="H").replace("water", f"system_id={n} energy=1") for n in ("w", "v"))
    assert list(ids(write(tmp_path / "f.xyz", frames))) == ["w", "v"]
    both = ids(write(tmp_path / "a/t.sdf", cases.glycine(charges=True, title="t")), sdf, tmp_path / "f.xyz")
    assert set(both) == {"t", "one", "two", "w", "v"}
    clash = ids(write(tmp_path / "b/t.sdf", cases.glycine(charges=True, title="t")), tmp_path / "a/t.sdf")
    assert set(clash) == {"a/t/t", "b/t/t"}


def test_ids_of_tables_are_texts_and_are_taken_as_they_are(tmp_path: Path) -> None:
    quoted = cases.SILICON.replace('"', '""')
    text = "".join(f'{name},"{quoted}"\n' for name in ("0000", "1.0", "mp-1", "mp-1"))
    assert list(ids(write(tmp_path / "t.csv", "id,cif\n" + text))) == ["0000", "1.0", "mp-1-1", "mp-1-2"]


def test_what_cannot_be_read_is_a_row_or_an_error_of_one_line(tmp_path: Path) -> None:
    write(tmp_path / "in/empty.cif", "\n")
    (row,) = read_structures([tmp_path / "in"], ReadSettings(workers=0))
    assert isinstance(row.row, Failure)
    with pytest.raises(DataError, match="no such file"):
        check_paths([tmp_path / "gone"])
    with pytest.raises(DataError, match="format not known"):
        check_paths([write(tmp_path / "x.pdf", "?")])
    with pytest.raises(DataError, match="not a readable tar"):
        ids(write(tmp_path / "x.tar.gz", "?"))
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match="holds no structure"):
        ids(tmp_path / "nothing")


def test_a_table_without_structures_is_an_error_alone_and_a_failure_among_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = write(tmp_path / "in/meta.csv", "a,b\n1,2\n")
    other = write(tmp_path / "in/x.cif")
    with pytest.raises(DataError, match="no column of CIF"):
        ids(table)
    for paths in ([table, other], [tmp_path / "in"]):
        rows = {each.row.system_id: each.row for each in read_structures(paths, ReadSettings(0))}
        (failure,) = [row for row in rows.values() if isinstance(row, Failure)]
        assert len(rows) == 2
        assert failure.reason.startswith("no column of CIF texts")
    with pytest.raises(DataError, match="no column of CIF"):  # references, energies
        read_structures([table, other], ReadSettings(0).needing_structures())
    with replaced_folder(tmp_path / "own", "relax") as new:  # tables of this package beside its structures
        write(new / "relaxed.csv", "a,b\n1,2\n")
        write(new / "structures/x.cif")
    assert list(ids(tmp_path / "own")) == ["own/structures/x"]
    assert "relaxed.csv: no column of CIF" in caplog.text


def test_what_is_skipped_is_said_by_suffix() -> None:
    names = [Path(name) for name in ("a.txt", "b/c.TXT", "d.gz", "e", ".hidden", "__MACOSX/f.cif")]
    assert skipped_text(names) == "4 files of other formats are not read: 2 .txt, 1 .gz, 1 without suffix"
    assert skipped_text([Path(".hidden")]) == ""


def test_archives_in_a_folder_are_named_with_the_way_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "in/x.cif")
    for name in ("in/deep/a.zip", "in/b.tar.gz"):
        write(tmp_path / name)
    assert list(ids(tmp_path / "in")) == ["in/x"]
    assert "2 archives in it are not read: b.tar.gz, deep/a.zip; give the archives themselves" in caplog.text


@pytest.mark.timeout(20)
def test_what_is_no_plain_file_is_called_what_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    os.mkfifo(tmp_path / "pipe.cif")
    (tmp_path / "loop.cif").symlink_to("loop.cif")
    (tmp_path / "lost.cif").symlink_to("nothing.cif")
    reasons = {"pipe.cif": "is a pipe", "loop.cif": "leads back to itself", "lost.cif": "nothing.cif, which does not"}
    for name, reason in [*reasons.items(), ("/dev/null", "is a device")]:
        with pytest.raises(DataError, match=reason):
            check_paths([tmp_path / name])
        with pytest.raises(DataError, match=reason):
            store.require_file(tmp_path / name)
    write(tmp_path / "x.cif")
    assert len(ids(tmp_path)) == 1
    assert all(f"{tmp_path / name}: is not read: is a link" in caplog.text for name in ("loop.cif", "lost.cif"))
    assert f"{tmp_path / 'pipe.cif'}: is not read: is a pipe" in caplog.text


LATIN = os.fsdecode("Ångström.cif".encode("latin-1"))


def test_names_of_any_bytes_are_ids_that_can_be_stored(tmp_path: Path) -> None:
    write(tmp_path / "in" / LATIN)
    write(tmp_path / "in" / LATIN.encode("utf-8", "backslashreplace").decode())  # the text that it becomes
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.GNU_FORMAT) as archive:
        archive.add(tmp_path / "in" / LATIN, LATIN)
    table = pd.DataFrame({"id": ["in a table"], "cif": [cases.SILICON]})
    store.write_frame(tmp_path / "x.parquet", table)
    (tmp_path / "x.parquet").rename(tmp_path / "in" / LATIN.replace("cif", "parquet"))
    rows = read_structures([tmp_path / "in", tmp_path / "a.tar"], ReadSettings(workers=0))
    assert [each.row for each in rows if isinstance(each.row, Failure)] == []
    store.write_systems(tmp_path / "x.arrow", [each.kept() for each in rows])
    names = [row.system_id for row in store.read_systems(tmp_path / "x.arrow")]
    assert len(set(names)) == 4
    assert "in a table" in names
    assert all(name.encode() for name in names)


HOSTILE = {
    "../evil.cif": "A/evil",
    "../../a/./g.cif": "A/a/g",
    "/abs/x.cif": "A/abs/x",
    "C:\\x.cif": "A/x",
    "C:\\data\\..\\POSCAR": "A/data/POSCAR",
    "\\\\host\\share\\y.cif": "A/host/share/y",
    "d:/e/z.cif": "A/e/z",
}
"""Names of members, and their ids."""


@pytest.mark.parametrize("suffix", ["zip", "tar"])
def test_names_in_archives_that_lead_out_of_it_are_ids_below_it(tmp_path: Path, suffix: str) -> None:
    packed = tmp_path / f"A.{suffix}"
    texts = {name: cases.poscar("x") if "POSCAR" in name else cases.SILICON for name in HOSTILE}
    if suffix == "zip":
        with zipfile.ZipFile(packed, "w") as archive:
            for name, text in texts.items():
                archive.writestr(name, text)
    else:
        with tarfile.open(packed, "w") as tar:
            for name, text in texts.items():
                info = tarfile.TarInfo(name)
                info.size = len(text.encode())
                tar.addfile(info, io.BytesIO(text.encode()))
    sources = ids(packed)
    assert set(sources) == set(HOSTILE.values())
    (evil,) = (each for each in read_structures([packed], ReadSettings(workers=0)) if each.row.system_id == "A/evil")
    assert evil.source == f"{packed}:../evil.cif"
    assert not (tmp_path.parent / "evil.cif").exists()
    both = ids(packed, write(tmp_path / "B/A/evil.cif"))
    assert not [name for name in both if ".." in name or name.startswith("/")]


def test_members_that_become_equal_get_numbers(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "A.zip", "w") as archive:
        for name in ("g.cif", "../g.cif", "/g.cif"):
            archive.writestr(name, cases.SILICON)
    assert set(ids(tmp_path / "A.zip")) == {"A/g", "A/g-2", "A/g-3"}


def test_a_path_with_two_dots_has_none_in_its_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("in/g.cif", "in/deep/g.cif"):
        write(tmp_path / name)
    monkeypatch.chdir(tmp_path / "in/deep")
    assert set(ids(Path(".."))) == {"in/g", "in/deep/g"}
    assert set(ids(Path("../g.cif"), Path("g.cif"))) == {"g", "deep/g"}
