"""Ids of structures: the same for a file in every verb, and unique."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from adit.readers.formats.base import Entry

_Whole = tuple[tuple[str, ...], str, int]
"""Path, title and number of an entry."""


def assign_ids(entries: Sequence[Entry]) -> list[str]:
    """Return a unique id for each entry; ids do not depend on the order of the entries.

    A title in the file is used unchanged. Otherwise the id is the path without its suffix, from the given folder's or
    archive's name on; for a given file, its stem. Several structures of one file get -1, -2, … Files that differ only
    in their suffix keep it. Ids that are still equal are extended by more of the path until they are unique; where the
    whole path is equal (a folder beside its archive), they get a number, in the order of their sources.
    """
    occurrences = _occurrences(entries)
    paths = _paths(entries, occurrences)
    named = list(zip(entries, paths, occurrences, strict=True))
    names = [_name(entry, path, kth) for entry, path, kth in named]
    wholes = [_whole(entry, path, kth) for entry, path, kth in named]
    parents = [list(path if entry.title else path[: -entry.given]) for entry, path, _ in named]
    clashing = _clashing(names, wholes, parents)
    while clashing:
        for n in clashing:
            names[n] = f"{parents[n].pop()}/{names[n]}"
        clashing = _clashing(names, wholes, parents)
    return _numbered(names, [entry.source for entry in entries])


def _paths(entries: Sequence[Entry], occurrences: Sequence[int]) -> list[tuple[str, ...]]:
    """Return the path of each entry; with the suffix where others have the same path and another suffix."""
    wholes = [_whole(entry, entry.path, kth) for entry, kth in zip(entries, occurrences, strict=True)]
    suffixes: dict[_Whole, set[str]] = {}
    for whole, entry in zip(wholes, entries, strict=True):
        suffixes.setdefault(whole, set()).add(entry.suffix)
    return [
        (*entry.path[:-1], entry.path[-1] + entry.suffix) if len(suffixes[whole]) > 1 else entry.path
        for whole, entry in zip(wholes, entries, strict=True)
    ]


def _whole(entry: Entry, path: tuple[str, ...], occurrence: int) -> _Whole:
    """Return all that can be in the id of an entry."""
    return path, entry.title, occurrence if entry.title else entry.number


def _clashing(names: Sequence[str], wholes: Sequence[_Whole], parents: Sequence[Sequence[str]]) -> list[int]:
    """Return the entries whose name is also that of an entry with another path or title."""
    different: dict[str, set[_Whole]] = {}
    for name, whole in zip(names, wholes, strict=True):
        different.setdefault(name, set()).add(whole)
    return [n for n, name in enumerate(names) if len(different[name]) > 1 and parents[n]]


def _name(entry: Entry, path: tuple[str, ...], occurrence: int) -> str:
    if entry.title:
        return f"{entry.title}-{occurrence}" if occurrence else entry.title
    name = "/".join(path[-entry.given :])
    return f"{name}-{entry.number}" if entry.number else name


def _occurrences(entries: Sequence[Entry]) -> list[int]:
    """Return for each entry the number of its title within its file, if the title is repeated; else 0."""
    total = Counter((entry.source, entry.title) for entry in entries if entry.title)
    seen: Counter[tuple[str, str]] = Counter()
    occurrences = []
    for entry in entries:
        key = (entry.source, entry.title)
        seen[key] += 1
        occurrences.append(seen[key] if entry.title and total[key] > 1 else 0)
    return occurrences


def _numbered(names: Sequence[str], sources: Sequence[str]) -> list[str]:
    """Return the names; repeated names get a number, in the order of their sources."""
    used: set[str] = set()
    different = list(names)
    for n in sorted(range(len(names)), key=lambda n: sources[n]):
        candidate, number = names[n], 1
        while candidate in used:
            number += 1
            candidate = f"{names[n]}-{number}"
        used.add(candidate)
        different[n] = candidate
    return different
