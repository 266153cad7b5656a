"""Ids of structures: the same for a file in every verb, and unique."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from adit.readers.formats.base import Entry


def assign_ids(entries: Sequence[Entry]) -> list[str]:
    """Return a unique id for each entry; ids do not depend on the order of the entries.

    A title in the file is used unchanged. Otherwise the id is the path without its suffix, from the given folder's or
    archive's name on; for a given file, its stem. Several structures of one file get -1, -2, … Ids that are still equal
    are extended by more of the path, then by the suffix, until they are unique.
    """
    names = [_name(entry, kth) for entry, kth in zip(entries, _occurrences(entries), strict=True)]
    parents = [list(entry.path if entry.title else entry.path[: -entry.given]) for entry in entries]
    clashing = _clashing(names, parents)
    while clashing:
        for n in clashing:
            names[n] = f"{parents[n].pop()}/{names[n]}"
        clashing = _clashing(names, parents)
    return _numbered(_with_suffixes(names, entries))


def _clashing(names: Sequence[str], parents: Sequence[Sequence[str]]) -> list[int]:
    count = Counter(names)
    return [n for n, name in enumerate(names) if count[name] > 1 and parents[n]]


def _name(entry: Entry, occurrence: int) -> str:
    if entry.title:
        return f"{entry.title}-{occurrence}" if occurrence else entry.title
    name = "/".join(entry.path[-entry.given :])
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


def _with_suffixes(names: list[str], entries: Sequence[Entry]) -> list[str]:
    count = Counter(names)
    return [
        f"{name}{entry.suffix}" if count[name] > 1 and not entry.title else name
        for name, entry in zip(names, entries, strict=True)
    ]


def _numbered(names: Sequence[str]) -> list[str]:
    """Return the names; repeated names get a number."""
    used: set[str] = set()
    different = []
    for name in names:
        candidate, number = name, 1
        while candidate in used:
            number += 1
            candidate = f"{name}-{number}"
        used.add(candidate)
        different.append(candidate)
    return different
