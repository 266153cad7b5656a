"""Ids of structures: the same for a file in every verb, and different from each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from adit.readers.formats.base import Entry


def assign_ids(entries: Sequence[Entry]) -> list[str]:
    """Return an id for each entry; they differ, and do not depend on the order of what was given.

    A title in the file is used unchanged. Otherwise the id is the path without its suffix, from the given folder's or
    archive's own name on; of a file that was given, its stem. Several structures of one file get -1, -2, … What is
    still equal gets more of its path in front, then its suffix, until it differs.
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
    """Return for each title that its file has more than once which one of them it is, 0 for the others."""
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
    """Return the names, those that occur before with a number."""
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
