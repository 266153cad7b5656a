"""Ids of entries, for any titles and folders: unique, kept where they are unique, and independent of the folder."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from adit.readers import ReadSettings, read_structures
from adit.readers.formats.base import Entry
from adit.readers.ids import assign_ids
from tests.unit.readers import cases

File = tuple[list[str], str, str, list[str], bool]
"""Folders, stem and suffix of a file, titles of its entries, and whether its outermost folder is given."""


def location(file: File) -> tuple[str, ...]:
    return (*file[0], file[1] + file[2])


_PARTS = st.sampled_from(["a", "b", "x", "x-2"])
_FILES = st.lists(
    st.tuples(
        st.lists(_PARTS, max_size=2),
        _PARTS,
        st.sampled_from([".cif", ".csv"]),
        st.lists(st.sampled_from(["", "x", "x-1", "x-2", "x-1-2", "a/x", "b"]), min_size=1, max_size=5),
        st.booleans(),
    ),
    min_size=1,
    max_size=4,
    unique_by=location,
)


def entries_of(files: list[File], root: tuple[str, ...]) -> list[Entry]:
    """Return the entries of files below a folder, of which some are in a folder that was given."""
    entries = []
    for folders, stem, suffix, titles, in_folder in files:
        path = (*root, *folders, stem)
        given_parts = 1 + len(folders) if in_folder else 1
        for number, title in enumerate(titles, start=1):
            many = len(titles) > 1
            source = f"/{'/'.join(path)}{suffix}"
            entries.append(Entry("CIF", "", source, path, given_parts, suffix, title, number if many else 0))
    return entries


@given(_FILES)
def test_ids_are_unique_kept_and_independent_of_folder_and_order(files: list[File]) -> None:
    entries = entries_of(files, ("home", "x"))
    ids = assign_ids(entries)
    assert len(set(ids)) == len(ids)
    titles = [entry.title for entry in entries]
    for entry, assigned in zip(entries, ids, strict=True):
        if entry.title and titles.count(entry.title) == 1:
            assert assigned == entry.title
    for root in (("x", "x", "a"), ("b",), ()):
        assert assign_ids(entries_of(files, root)) == ids
    backwards = entries_of(files[::-1], ("home", "x"))
    by_source = {(e.source, e.number): each for e, each in zip(backwards, assign_ids(backwards), strict=True)}
    assert [by_source[entry.source, entry.number] for entry in entries] == ids


def test_repeated_ids_of_a_table_leave_out_the_numbers_of_unique_ones(tmp_path: Path) -> None:
    for folder in (tmp_path / "w", tmp_path / "else/where"):
        folder.mkdir(parents=True)
        frame = pd.DataFrame({"id": ["x", "x", "x-2", ""], "cif": [cases.SILICON] * 4})
        frame.to_csv(folder / "x.csv", index=False)
        rows = read_structures([folder / "x.csv"], ReadSettings(workers=0))
        assert [each.row.system_id for each in rows] == ["x-1", "x-3", "x-2", "x-4"]


def test_blocks_of_a_cell_leave_out_the_numbers_of_other_rows(tmp_path: Path) -> None:
    two = cases.SILICON + cases.SILICON.replace("data_", "data_2")
    pd.DataFrame({"id": ["x", "x-2"], "cif": [two, cases.SILICON]}).to_csv(tmp_path / "t.csv", index=False)
    rows = read_structures([tmp_path / "t.csv"], ReadSettings(workers=0))
    assert [each.row.system_id for each in rows] == ["x-1", "x-3", "x-2"]
