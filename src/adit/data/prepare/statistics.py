"""Counts of a prepared dataset, updated part by part."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa

from adit import elements
from adit.columns import Col
from adit.data.datasets.records import Dataset
from adit.data.sources.registry import SPLITS


class Statistics:
    """Counts of rows; histograms of the training split.

    Attributes:
        by_split: split → number of systems.
        failures: reason without details → number of rows.
    """

    def __init__(self) -> None:
        self.by_split: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self._sizes: Counter[int] = Counter()
        self._elements: Counter[int] = Counter()
        self._spacegroups: Counter[int] = Counter()

    def add(self, table: pa.Table) -> None:
        """Count the rows of a part in ``SHARD_SCHEMA``."""
        valid = np.array(table.column("numbers").is_valid().to_pylist(), dtype=bool)
        splits = np.array(table.column("split").to_pylist(), dtype=object)
        self.by_split.update(splits[valid].tolist())
        reasons = table.column("failed_reason").to_pylist()
        for reason in (reason for reason in reasons if reason is not None):
            self.failures[short_reason(reason)] += 1
            self._examples.setdefault(short_reason(reason), reason)
        train = table.filter(pa.array(valid & (splits == "train")))
        self._sizes.update(pa.compute.list_value_length(train.column("numbers")).to_pylist())
        self._elements.update(pa.compute.list_flatten(train.column("numbers")).to_pylist())
        self._spacegroups.update(train.column(Col.SPACEGROUP).to_pylist())

    def commonest_failure(self) -> str:
        """Return the most frequent reason of a failure and its frequency, as text; empty if nothing failed."""
        if not self.failures:
            return ""
        reason, count = self.failures.most_common(1)[0]
        return (
            f" ({count} of {sum(self.failures.values()) + sum(self.by_split.values())} rows: {self._examples[reason]})"
        )

    def summary(self, name: str, dataset: Dataset) -> dict[str, Any]:
        """Return the dataset's card: counts, histograms, source, licence, citation.

        The histogram of elements counts atoms, those of sizes and spacegroups count systems.
        """
        return {
            "dataset": name,
            "kind": str(dataset.kind),
            "n_rows": sum(self.by_split.values()) + sum(self.failures.values()),
            "n_systems": {split: self.by_split[split] for split in SPLITS},
            "n_failed": sum(self.failures.values()),
            "failures": dict(sorted(self.failures.items())),
            "size_histogram": {str(n): count for n, count in sorted(self._sizes.items())},
            "elements": {elements.symbol(z): count for z, count in sorted(self._elements.items())},
            "spacegroups": {str(n): count for n, count in sorted(self._spacegroups.items()) if n > 0},
            "source": dataset.source,
            "licence": dataset.licence,
            "citation": dataset.citation,
        }


def short_reason(reason: str) -> str:
    """Return a reason without its details: the text before the first colon or bracket."""
    return re.split(r"[:(]", reason)[0].strip()
