"""Ids of structures: the same for a file in every verb, and unique."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count as counting
from itertools import takewhile

from adit.readers.formats.base import Entry

_Whole = tuple[tuple[str, ...], str, int]
"""Path, title and number of an entry."""


def assign_ids(entries: Sequence[Entry]) -> list[str]:
    """Return a unique id for each entry; ids depend neither on the order of files nor on the folder common to them.

    A title that no other entry has is used unchanged. Otherwise the id is the path without its suffix, from the given
    folder's or archive's name on; for a given file, its stem. Several structures of one file get -1, -2, …, and so do
    repeated titles of one file; a number that makes another title of the file is left out. Files that differ only in
    their suffix keep it. Ids that are still equal are extended by more of the path, below the folder that is common to
    all; where the whole path is equal (a folder beside its archive), they get a number, in the order of their sources.
    """
    paths = _paths(entries, _occurrences(entries))
    titles = Counter(entry.title for entry in entries if entry.title)
    fixed = [titles[entry.title] == 1 for entry in entries]
    names = _in_files(entries, paths)
    common = _common([entry.path[:-1] for entry in entries if entry.format or len(entry.path) > 1])
    parents = [
        list(path[common:] if entry.title else path[common : max(common, len(path) - entry.given)])
        for entry, path in zip(entries, paths, strict=True)
    ]
    clashing = _clashing(names, parents, fixed)
    while clashing:
        for n in clashing:
            names[n] = f"{parents[n].pop()}/{names[n]}"
        clashing = _clashing(names, parents, fixed)
    return _numbered(names, [entry.source for entry in entries], fixed)


def _common(folders: Sequence[tuple[str, ...]]) -> int:
    """Return the number of first parts that are equal in all folders."""
    levels = zip(*folders, strict=False)
    return sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, levels))


def _paths(entries: Sequence[Entry], occurrences: Sequence[int]) -> list[tuple[str, ...]]:
    """Return the path of each entry; with the suffix where others have the same path and another suffix."""
    wholes: list[_Whole] = [
        (entry.path, entry.title, kth if entry.title else entry.number)
        for entry, kth in zip(entries, occurrences, strict=True)
    ]
    suffixes: dict[_Whole, set[str]] = {}
    for whole, entry in zip(wholes, entries, strict=True):
        suffixes.setdefault(whole, set()).add(entry.suffix)
    return [
        (*entry.path[:-1], entry.path[-1] + entry.suffix) if len(suffixes[whole]) > 1 else entry.path
        for whole, entry in zip(wholes, entries, strict=True)
    ]


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


def _in_files(entries: Sequence[Entry], paths: Sequence[tuple[str, ...]]) -> list[str]:
    """Return a name for each entry that no other entry of its file has; titles that are unique in it are unchanged."""
    members: dict[str, list[int]] = {}
    for n, entry in enumerate(entries):
        members.setdefault(entry.source, []).append(n)
    names = [""] * len(entries)
    for file in members.values():
        total = Counter(entries[n].title for n in file)
        taken = {title for title in total if title}
        numbers: dict[str, Iterator[int]] = {}
        for n in file:
            entry, title = entries[n], entries[n].title
            if title and total[title] == 1:
                names[n] = title
                continue
            stem = title or "/".join(paths[n][-entry.given :])
            first = f"{stem}-{entry.number}" if entry.number and not title else stem
            if not title and first not in taken:
                names[n] = first
            else:
                later = numbers.setdefault(title, counting(1 if title else len(file) + 1))
                names[n] = next(name for number in later if (name := f"{stem}-{number}") not in taken)
            taken.add(names[n])
    return names


def _clashing(names: Sequence[str], parents: Sequence[Sequence[str]], fixed: Sequence[bool]) -> list[int]:
    """Return the entries that get more of their path: others have the same name, and another path or a fixed name."""
    groups: dict[str, list[int]] = {}
    for n, name in enumerate(names):
        groups.setdefault(name, []).append(n)
    clashing: list[int] = []
    for group in groups.values():
        if len(group) == 1:
            continue
        movable = [n for n in group if not fixed[n]]
        if len(movable) < len(group) or len({tuple(parents[n]) for n in movable}) > 1:
            clashing += [n for n in movable if parents[n]]
    return clashing


def _numbered(names: Sequence[str], sources: Sequence[str], fixed: Sequence[bool]) -> list[str]:
    """Return the names; repeated names get a number, in the order of their sources, that makes no other name."""
    taken = set(names)
    used: set[str] = set()
    different = list(names)
    for n in sorted(range(len(names)), key=lambda n: (not fixed[n], sources[n])):
        name = names[n]
        if name in used:
            name = next(each for number in counting(2) if (each := f"{names[n]}-{number}") not in taken)
        used.add(name)
        taken.add(name)
        different[n] = name
    return different
