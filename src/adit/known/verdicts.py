"""The verdict on one structure: known, an ordered variant of a known phase, not found, or unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from adit.errors import one_line
from adit.known.comparison import Compared
from adit.known.phases import Disordered, Response

REMARKS: Final = 3
"""Largest number of remarks that are written for one row; of others, only the number is."""


@dataclass(frozen=True)
class LookupVerdict:
    """A verdict.

    Attributes:
        name: known, ordered-variant, not-found or unknown.
        source: source of the match; without a match, all sources that were asked.
        entry_id: id of the match.
        address: address of the match.
        date: when the source of the match was asked, UTC, ISO 8601; without a match, the oldest date of the answers.
        reason: why it is unknown, and remarks.
    """

    name: str
    source: str = ""
    entry_id: str = ""
    address: str = ""
    date: str = ""
    reason: str = ""


def verdict_of(result: Compared, responses: Sequence[Response]) -> LookupVerdict:
    """Return the verdict on a structure: without a match, any fault of a source makes it ``unknown``.

    Args:
        result: result of the comparison.
        responses: answers of all sources that were asked.
    """
    if (phase := result.phase) is not None:
        name, reason = ("known", "") if result.ordered else ("ordered-variant", _sites(phase.structure))
        return LookupVerdict(name, phase.source, phase.entry_id, phase.address, phase.date, reason)
    faults = [*([result.reason] if result.reason else []), *(fault for each in responses for fault in each.faults)]
    remarks = [remark for each in responses for remark in each.remarks]
    names = "; ".join(dict.fromkeys(each.source for each in responses))
    date = min((date for each in responses for date in each.dates), default="")
    return LookupVerdict("unknown" if faults else "not-found", names, date=date, reason=_joined([*faults, *remarks]))


def _sites(structure: object) -> str:
    if not isinstance(structure, Disordered):
        return ""
    shares = " ".join(f"{symbol}{amount:.3g}" for symbol, amount in structure.amounts.items())
    return f"same sites as the disordered phase, of the composition {shares}"


def _joined(texts: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(texts))
    rest = [f"and {len(distinct) - REMARKS} more"] if len(distinct) > REMARKS else []
    return one_line("; ".join([*distinct[:REMARKS], *rest]), 500)
