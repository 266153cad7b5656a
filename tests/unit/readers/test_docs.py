"""The table of formats in the documentation is the registry's."""

from __future__ import annotations

from pathlib import Path

from adit.readers.formats.registry import markdown_table


def test_the_documentation_has_the_table_of_the_registry() -> None:
    text = (Path(__file__).parents[3] / "docs/formats.md").read_text(encoding="utf-8")
    assert f"a test holds it -->\n{markdown_table()}<!-- end of formats -->" in text
