"""One finding of a check."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["ok", "note", "missing"]


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        what: what was looked at.
        status: ``ok``; ``note``: the run works, with less than it could have; ``missing``: it will not come to its end.
        found: what is there.
        remedy: how to get what is missing; empty where all is well.
    """

    what: str
    status: Status
    found: str
    remedy: str = ""

    def line(self) -> str:
        """Return the finding as one line."""
        return f"{self.status:8}{self.what}: {self.found}" + (f"; {self.remedy}" if self.remedy else "")


def ok(what: str, found: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(what, "ok", found)


def note(what: str, found: str, remedy: str) -> Finding:
    """Return a finding that something could be better."""
    return Finding(what, "note", found, remedy)


def missing(what: str, found: str, remedy: str) -> Finding:
    """Return a finding that something is not there."""
    return Finding(what, "missing", found, remedy)


Check = Callable[[], Iterable[Finding]]


def examine(checks: Iterable[Check]) -> list[Finding]:
    """Return the findings of all checks; one that breaks is a finding itself."""
    found: list[Finding] = []
    for check in checks:
        try:
            found += check()
        except Exception as error:  # noqa: BLE001 - whatever a broken machine raises, the other checks go on
            name = getattr(check, "__name__", "check").strip("_").replace("_", " ")
            found.append(
                missing(name, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}", "put that right")
            )
    return found


def records(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Return findings as JSON-able records."""
    return [asdict(finding) for finding in findings]
