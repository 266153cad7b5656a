"""Limits on other people's files: each at its edge, with the key to raise in its one line."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import pytest

from adit.config import LimitsConfig
from adit.limits import Archive, LimitError, capped, check_atoms, read_bounded, read_text

SMALL = LimitsConfig(file_bytes=10, archive_bytes=25, entries=3, atoms=4)


def test_a_file_at_the_limit_is_read_and_one_byte_more_is_not(tmp_path: Path) -> None:
    file = tmp_path / "a.cif"
    file.write_bytes(b"0123456\xff89")
    assert read_text(file, SMALL) == "0123456\ufffd89"
    file.write_bytes(b"x" * 11)
    with pytest.raises(LimitError, match=r"a\.cif: has 11 bytes, more than 10 .* limits\.file_bytes"):
        read_text(file, SMALL)


def test_a_compressed_file_is_bounded_by_what_it_unpacks_to() -> None:
    bomb = gzip.compress(b"\0" * 10_000_000)
    with gzip.open(io.BytesIO(bomb)) as stream, pytest.raises(LimitError, match=r"limits\.file_bytes"):
        read_bounded(stream, SMALL, "bomb.gz")


def test_the_members_of_an_archive_count_together(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as out:
        for number in range(3):
            out.writestr(f"{number}.cif", "x" * 9)
    counted = Archive("a.zip", SMALL)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        for name in ("0.cif", "1.cif"):
            with archive.open(name) as stream:
                assert len(read_bounded(stream, SMALL, name, counted)) == 9
        with archive.open("2.cif") as stream, pytest.raises(LimitError, match=r"a\.zip: .* limits\.archive_bytes"):
            read_bounded(stream, SMALL, "2.cif", counted)


def test_atoms_are_counted_before_they_are_parsed() -> None:
    check_atoms(4, SMALL)
    with pytest.raises(LimitError, match=r"has 5 atoms, more than 4 \(limits\.atoms\)"):
        check_atoms(5, SMALL)


def test_structures_beyond_the_limit_are_one_row_and_are_not_made() -> None:
    built: list[int] = []

    def numbers():  # type: ignore[no-untyped-def]
        for number in range(100):
            built.append(number)
            yield str(number)

    rows = list(capped(numbers(), SMALL, lambda reason: reason))
    assert rows[:3] == ["0", "1", "2"]
    assert "limits.entries" in rows[3]
    assert len(rows) == 4
    assert len(built) == 4
    assert list(capped(["a", "b", "c"], SMALL, lambda reason: reason)) == ["a", "b", "c"]
