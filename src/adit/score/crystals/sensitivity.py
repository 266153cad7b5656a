"""Dependence of rates on the number of samples and on their selection. Source: Fig. 6."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from adit import seeds
from adit.columns import POTENTIALS, Col, Metric, energies_name, flag
from adit.score.crystals.protocols import CRYSTAL_PROTOCOLS
from adit.score.crystals.table import group_column, relaxed_group_column, relaxed_novelty_column

if TYPE_CHECKING:
    import pandas as pd

SIZES: Final = (100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)
"""Numbers of samples up to the available number; all samples come last."""

SEEDS: Final = 10
"""Random selections of samples for each number."""

COLUMNS: Final = ("metric", "protocol", "samples", "seed", "value")
"""Columns of the table; ``value`` is the rate in 0..1."""

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Rate:
    """A rate that can be computed for any subset of the samples.

    Attributes:
        metric: name of the metric.
        protocol: protocol of the definition; empty if there is only one.
        flags: columns that must be true (or not empty) for a row to count.
        group: column of groups, each of which counts once; ``None``: each row counts.
    """

    metric: str
    protocol: str
    flags: tuple[str, ...]
    group: str | None = None


def crystal_rates(columns: Sequence[str]) -> list[Rate]:
    """Return the rates that can be computed from a table of crystals with these columns."""
    validities = (Col.STRUCTURAL_VALIDITY, Col.COMPOSITIONAL_VALIDITY, Col.OVERALL_VALIDITY)
    rates = [Rate(column, "", (column,)) for column in validities]
    rates.append(Rate(Metric.COMPOSITION_UNIQUENESS, "", (Col.FORMULA,), Col.FORMULA))
    for protocol in CRYSTAL_PROTOCOLS:
        group = group_column(protocol.matcher)
        rates.append(Rate(Metric.UNIQUENESS, protocol.name, (group,), group))
        rates.append(Rate(Metric.NOVELTY, protocol.name, (flag(Metric.NOVELTY, protocol.name),)))
        together, new = relaxed_group_column(protocol.matcher), relaxed_novelty_column(protocol)
        for metric, joint in ((Metric.STABLE, Metric.SUN), (Metric.METASTABLE, Metric.MSUN)):
            for potential in ("", *POTENTIALS):
                low = energies_name(flag(metric, protocol.name), potential)
                rates.append(Rate(energies_name(metric, potential), protocol.name, (low,)))
                rates.append(Rate(energies_name(joint, potential), protocol.name, (low, new), together))
    return [rate for rate in rates if set(rate.flags) <= set(columns)]


def sensitivity(rows: Rows, rates: Sequence[Rate], seed: int) -> pd.DataFrame:
    """Return one row per rate, number of samples and seed; a seed's smaller selections are part of its larger ones.

    Args:
        rows: the table of all samples, failures included.
        rates: rates to compute; those unknown for a sample (``None``) are left out.
        seed: seed of the run.

    Returns:
        A table with ``COLUMNS``.
    """
    import pandas as pd

    rates = [rate for rate in rates if not any(row[name] is None for row in rows for name in rate.flags)]
    rows = sorted(rows, key=lambda row: str(row[Col.SYSTEM_ID]))  # the selection must not depend on their order
    total = len(rows)
    sizes = [*[size for size in SIZES if size < total], *([total] if total else [])]
    flags = [np.array([all(row[name] for name in rate.flags) for row in rows], dtype=bool) for rate in rates]
    groups = [None if rate.group is None else np.array([str(row[rate.group]) for row in rows]) for rate in rates]
    records: list[tuple[str, str, int, int, float]] = []
    for number in range(SEEDS if len(sizes) > 1 else min(1, len(sizes))):
        order = seeds.generator("sensitivity", seed, number).permutation(total)
        for size in sizes if number == 0 else sizes[:-1]:  # there is one selection of all samples
            chosen = order[:size]
            for rate, passed, group in zip(rates, flags, groups, strict=True):
                kept = chosen[passed[chosen]]
                count = len(kept) if group is None else len(set(group[kept].tolist()))
                records.append((str(rate.metric), str(rate.protocol), size, number, count / size))
    return pd.DataFrame(records, columns=list(COLUMNS))
