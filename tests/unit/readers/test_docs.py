"""The table of formats in the documentation is the registry's."""

from __future__ import annotations

from pathlib import Path

from adit.readers.formats.registry import ARCHIVES, FORMATS, GZIP, REFUSED

VERBS = ("score", "relax", "hull", "prepare", "stage take", "sample --motif")
"""Verbs that read structures; ``adit hull`` reads those formats that hold energies."""


def markdown_table() -> str:
    """Return the table of formats of the documentation."""
    lines = ["| format | files | read by | remark |", "|---|---|---|---|"]
    for each in FORMATS.values():
        files = [f"`{suffix}`" for suffix in each.suffixes] + [f"`{name}*`" for name in each.names]
        if files:
            verbs = ", ".join(verb for verb in VERBS if each.energies or verb != "hull")
            lines.append(f"| {each.name} | {', '.join(files)} | {verbs} | {each.remark} |")
    packed = ", ".join(f"`{suffix}`" for suffix in ARCHIVES)
    lines.append(f"| packed files | `{GZIP}` after any of these suffixes | as the file in it | |")
    remark = "every file of these formats in it; archives in folders and archives are named and not read"
    lines.append(f"| archives | {packed} | as the files in it | {remark} |")
    lines += [f"| — | `{suffix}` | none | {reason} |" for suffix, reason in REFUSED.items()]
    return "\n".join(lines) + "\n"


def test_the_documentation_has_the_table_of_the_registry() -> None:
    text = (Path(__file__).parents[3] / "docs/formats.md").read_text(encoding="utf-8")
    assert f"a test holds it -->\n{markdown_table()}<!-- end of formats -->" in text
