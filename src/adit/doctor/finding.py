"""One finding of a check."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["ok", "note", "missing"]
"""Status of a finding."""


@dataclass(frozen=True)
class Finding:
    """Result of one check.

    Attributes:
        what: subject of the check.
        status: ``ok``; ``note``: the run works with limitations; ``missing``: the run will fail.
        detail: the state found on the machine.
        remedy: how to fix it; empty if nothing is missing.
    """

    what: str
    status: Status
    detail: str
    remedy: str = ""

    def line(self) -> str:
        """Return the finding as one line."""
        return f"{self.status:8}{self.what}: {self.detail}" + (f"; {self.remedy}" if self.remedy else "")


def ok(what: str, detail: str) -> Finding:
    """Return the finding of a passed check."""
    return Finding(what, "ok", detail)


def note(what: str, detail: str, remedy: str) -> Finding:
    """Return the finding of a limitation."""
    return Finding(what, "note", detail, remedy)


def missing(what: str, detail: str, remedy: str) -> Finding:
    """Return the finding of something missing."""
    return Finding(what, "missing", detail, remedy)


Check = Callable[[], Iterable[Finding]]
"""A check: returns its findings."""


def examine(checks: Iterable[Check]) -> list[Finding]:
    """Return the findings of all checks; an exception of a check becomes a finding with the status ``missing``."""
    findings: list[Finding] = []
    for check in checks:
        try:
            findings += check()
        except Exception as error:  # noqa: BLE001 - after any exception, the other checks continue
            name = getattr(check, "__name__", "check").strip("_").replace("_", " ")
            findings.append(
                missing(name, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}", "fix this, and repeat")
            )
    return findings


def records(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Return findings as records for JSON."""
    return [
        {"what": each.what, "status": each.status, "found": each.detail, "remedy": each.remedy} for each in findings
    ]
