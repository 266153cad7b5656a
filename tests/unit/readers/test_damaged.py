"""Files that are damaged or made to break a reader: one failure row each, and the good file beside them is read."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from adit.cli import main
from adit.config import LimitsConfig, ReadConfig
from adit.convert import to_cif
from adit.errors import DataError
from adit.readers import ReadRow, read_structures, settings_of
from adit.store import read_frame
from adit.systems import Failure
from tests.conftest import random_crystal

MEMBERS = 200
PACK: dict[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "tar.gz": gzip.compress,
    "tgz": gzip.compress,
    "tar.bz2": bz2.compress,
    "tar.xz": lzma.compress,
}


def cif(seed: int) -> bytes:
    return to_cif(random_crystal(np.random.default_rng(seed), 3, f"s{seed}")).encode()


def tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for number in range(MEMBERS):
            member = tarfile.TarInfo(f"{number:03d}.cif")
            content = cif(number)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def damaged(content: bytes, seed: int, length: int = 50) -> bytes:
    """Return bytes of which 50 in the middle are others."""
    place = len(content) // 2
    noise = np.random.default_rng(seed).integers(0, 256, length, dtype=np.uint8).tobytes()
    return content[:place] + noise + content[place + length :]


def read(paths: list[Path], workers: int = 0) -> list[ReadRow]:
    return read_structures(paths, settings_of(ReadConfig(), LimitsConfig(), workers))


def reasons(rows: list[ReadRow]) -> list[str]:
    return [each.row.reason for each in rows if isinstance(each.row, Failure)]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    (tmp_path / "good.cif").write_bytes(cif(999))
    return tmp_path / "good.cif"


@pytest.mark.parametrize("suffix", PACK)
def test_a_sound_tar_archive_is_read_whole(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a.{suffix}").write_bytes(PACK[suffix](tar()))
    rows = read([tmp_path / f"a.{suffix}"])
    assert len(rows) == MEMBERS
    assert not reasons(rows)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("suffix", [each for each in PACK if each != "tar"])
def test_a_damaged_tar_archive_is_one_row(tmp_path: Path, good: Path, suffix: str, seed: int) -> None:
    (tmp_path / f"a.{suffix}").write_bytes(damaged(PACK[suffix](tar()), seed))
    rows = read([tmp_path / f"a.{suffix}", good])
    archive = [reason for reason in reasons(rows) if "not a readable tar archive" in reason]
    assert len(archive) == 1, reasons(rows)
    assert not isinstance(rows[-1].row, Failure)


def test_a_damaged_header_is_not_the_end_of_a_tar_archive(tmp_path: Path, good: Path) -> None:
    content = tar()
    place = content.index(b"100.cif")
    (tmp_path / "a.tar").write_bytes(content[:place] + b"\xff" * 200 + content[place + 200 :])
    rows = read([tmp_path / "a.tar", good])
    assert len(rows) == 100 + 2
    (reason,) = reasons(rows)
    assert "header" in reason


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and nothing", b"\x1f\x8b", b"BZh9", b"\xfd7zXZ\0"])
def test_what_is_no_archive_is_one_row_and_alone_an_error(
    tmp_path: Path, good: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    rows = read([tmp_path / name, good])
    assert len(rows) == 2
    assert "not a readable" in reasons(rows)[0]
    with pytest.raises(DataError, match=r"not a readable|holds no structure"):
        read([tmp_path / name])


def test_a_header_of_a_tar_archive_takes_no_memory_for_the_size_that_it_states(tmp_path: Path, good: Path) -> None:
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 3 << 30
    with gzip.open(tmp_path / "a.tar.gz", "wb", compresslevel=1) as file:
        file.write(header.tobuf(tarfile.GNU_FORMAT) + b"a" * (64 << 20))
    rows = read([tmp_path / "a.tar.gz", good])
    (reason,) = reasons(rows)
    assert "header of 3,221,225,472 bytes" in reason


@pytest.mark.parametrize("suffix", [".json", ".json.gz"])
@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 100_000])
def test_a_json_text_that_is_nested_too_deep_is_one_row(tmp_path: Path, good: Path, suffix: str, text: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(gzip.compress(text.encode()) if suffix.endswith(".gz") else text.encode())
    rows = read([path, good])
    assert reasons(rows) == ["is not readable (it is nested too deep)"]
    with pytest.raises(DataError, match="nested too deep"):
        read([path])


@pytest.mark.parametrize("workers", [0, 1])
def test_a_structure_that_cannot_be_sent_to_a_worker_is_one_row(tmp_path: Path, good: Path, workers: int) -> None:
    (tmp_path / "a.json").write_text('{"sites": ' + "[" * 800 + "]" * 800 + "}")
    rows = read([tmp_path / "a.json", good], workers)
    assert len(reasons(rows)) == 1
    assert not isinstance(rows[1].row, Failure)


@pytest.mark.parametrize("name", ["a.json", "a.parquet", "a.arrow", "a.cif.gz", "a.arrow.gz", "a.json.gz"])
@pytest.mark.parametrize("seed", range(3))
def test_noise_is_one_row_whatever_the_name(tmp_path: Path, good: Path, name: str, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, 5000, dtype=np.uint8).tobytes()
    start = {"a.parquet": b"PAR1", "a.arrow": b"ARROW1\0\0"}.get(name, b"\x1f\x8b\x08" if name.endswith(".gz") else b"")
    end = {"a.parquet": b"\x10\0\0\0PAR1", "a.arrow": b"\x10\0\0\0ARROW1"}.get(name, b"")
    (tmp_path / name).write_bytes(start + noise + end)
    rows = read([tmp_path / name, good])
    assert len(rows) == 2
    assert len(reasons(rows)) == 1
    assert not isinstance(rows[-1].row, Failure)


@pytest.mark.parametrize("name", ["broken.zip", "a.tar.bz2"])
def test_relaxing_beside_a_broken_archive_gives_every_input_a_row(tmp_path: Path, good: Path, name: str) -> None:
    content = b"PK\x03\x04 and nothing" if name == "broken.zip" else damaged(bz2.compress(tar()), 0)
    (tmp_path / name).write_bytes(content)
    (tmp_path / "run.yaml").write_text("relax: {max_steps: 1, min_distance: 0.1, max_volume_per_atom: 1000000}\n")
    words = ["relax", tmp_path / name, good, "--out", tmp_path / "R", "--config", tmp_path / "run.yaml"]
    assert main([str(word) for word in words]) == 0
    table = read_frame(tmp_path / "R/relaxed.parquet")
    assert len(table) == 2
    assert "not a readable" in table["reason"].iloc[0]


def test_a_zip_with_a_damaged_directory_keeps_the_good_file(tmp_path: Path, good: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(good, "0.cif")
    content = path.read_bytes()
    place = content.rindex(b"PK\x01\x02")
    for cut in range(place, len(content), 3):
        path.write_bytes(content[:cut] + b"\xff\xff" + content[cut + 2 :])
        rows = read([path, good])
        assert not isinstance(rows[-1].row, Failure)


def linked(path: Path, links: dict[str, tuple[bytes, str]]) -> list[ReadRow]:
    """Write a tar archive of one file, ``one.cif``, and links (type, target), and read it."""
    with tarfile.open(path, "w") as archive:
        content = cif(1)
        info = tarfile.TarInfo("one.cif")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
        for name, (kind, target) in links.items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, target
            archive.addfile(link)
    return list(read_structures([path], settings_of(ReadConfig(), LimitsConfig(), 1)))


def test_links_in_a_tar_archive_have_the_content_of_their_target(tmp_path: Path) -> None:
    rows = linked(
        tmp_path / "a.tar",
        {
            "hard.cif": (tarfile.LNKTYPE, "one.cif"),
            "sub/soft.cif": (tarfile.SYMTYPE, "../one.cif"),
            "again.cif": (tarfile.SYMTYPE, "sub/soft.cif"),
        },
    )
    assert len(rows) == 4
    first = rows[0].row
    for each in rows:
        assert not isinstance(each.row, Failure)
        assert np.array_equal(each.row.positions, first.positions)  # type: ignore[union-attr]


def test_a_link_out_of_a_tar_archive_or_to_itself_is_a_failure_row(tmp_path: Path) -> None:
    rows = linked(
        tmp_path / "a.tar",
        {"out.cif": (tarfile.SYMTYPE, "../../etc/passwd"), "loop.cif": (tarfile.SYMTYPE, "loop.cif")},
    )
    reasons = [row.row.reason for row in rows if isinstance(row.row, Failure)]
    assert len(rows) == 3
    assert len(reasons) == 2
    assert all("is a link to" in reason and "pack the files themselves" in reason for reason in reasons)
