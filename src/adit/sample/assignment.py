"""Atom types with a requested composition: the most likely ones, by an optimal assignment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def assign(scores: np.ndarray) -> np.ndarray:
    """Return a column (n,) for each row of a square matrix: each column once, with the largest sum of scores.

    Args:
        scores: (n, n) finite.

    Source: shortest augmenting paths with potentials, R. Jonker and A. Volgenant, Computing 38, 325 (1987).
    """
    n = len(scores)
    cost = -np.asarray(scores, dtype=float)
    row_of = np.full(n, -1)
    rows, columns = np.zeros(n), np.zeros(n)
    for start in range(n):
        distance, via = np.full(n, np.inf), np.full(n, -1)
        done = np.zeros(n, dtype=bool)
        row, last, reached = start, -1, 0.0
        while True:
            through = reached + cost[row] - rows[row] - columns
            better = ~done & (through < distance)
            distance[better], via[better] = through[better], last
            column = int(np.where(done, np.inf, distance).argmin())
            reached, last = float(distance[column]), column
            done[column] = True
            if row_of[column] < 0:
                break
            row = int(row_of[column])
        rows[start] += reached
        settled = done & (row_of >= 0)
        rows[row_of[settled]] += reached - distance[settled]
        columns[done] -= reached - distance[done]
        while True:  # flip the path
            before = int(via[last])
            row_of[last] = start if before < 0 else row_of[before]
            if before < 0:
                break
            last = before
    column_of = np.empty(n, dtype=int)
    column_of[row_of] = np.arange(n)
    return column_of


def exact_types(logits: np.ndarray, counts: Mapping[int, int]) -> np.ndarray:
    """Return the most likely atomic numbers (n,) that have exactly these counts.

    Args:
        logits: (n, Z_max) scores of atomic numbers 1 … Z_max, finite.
        counts: atomic number → number of atoms; they sum to n.
    """
    places = np.repeat(list(counts), list(counts.values()))
    free = logits.argmax(axis=1) + 1
    if np.array_equal(np.sort(free), np.sort(places)):
        return free
    return places[assign(logits[:, places - 1])]


def system_types(logits: np.ndarray, elements: Sequence[int]) -> np.ndarray:
    """Return the most likely atomic numbers (n,) that contain each of ``elements`` and no other element.

    Args:
        logits: (n, Z_max) scores of atomic numbers 1 … Z_max, finite.
        elements: distinct atomic numbers, no more than n.
    """
    allowed = np.asarray(elements)
    scores = logits[:, allowed - 1]
    best = scores.argmax(axis=1)
    if len(np.unique(best)) == len(allowed):
        return allowed[best]
    # One slot for each element; every other slot takes the element with the highest score of its atom.
    liked = np.repeat(scores.max(axis=1)[:, None], len(logits) - len(allowed), axis=1)
    column = assign(np.concatenate([scores, liked], axis=1))
    return np.where(column < len(allowed), allowed[np.minimum(column, len(allowed) - 1)], allowed[best])
