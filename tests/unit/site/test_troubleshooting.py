"""docs/troubleshooting.md has every error of the machine: of programs and libraries, and of the set-up.

The rule: each ``ExternalToolError`` of the package, each ``SetupError`` of workflow/install with each cause of a failed
program, and each ``fail`` of workflow/scripts/env.sh has a row with its text up to the way out, which says what to do.
Errors of configurations and data name what only the user knows; the site lists them from the source.
"""

from __future__ import annotations

import re
from pathlib import Path

from adit.errors import ConfigError, DataError, ExternalToolError
from workflow.install.steps import _CAUSES
from workflow.site.messages import KINDS, messages, page

ROOT = Path(__file__).parents[3]
ROW = re.compile(r"^\| (.+?) \| (.+) \|$", re.MULTILINE)


def rows() -> dict[str, str]:
    """Return what to do by message."""
    text = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    return {plain(first): second for first, second in ROW.findall(text) if first != "message"}


def plain(text: str) -> str:
    return text.replace("\\", "").strip()


def shell_messages(script: str) -> list[str]:
    """Return the messages of the errors of a shell script, with ``…`` for variables."""
    texts = re.findall(r'\bfail "([^"]+)"', script)
    return [re.sub(r"\$(\{[^}]*\}|\w+)", "…", text.replace("$NEEDED", "3.11, 3.12 or 3.13")) for text in texts]


def machine_messages() -> set[str]:
    texts = {
        message.text for message in messages(ROOT / "src/adit", frozenset({"ExternalToolError", "MachineFaultError"}))
    }
    texts |= {message.text for message in messages(ROOT / "workflow/install", frozenset({"SetupError"}))}
    texts |= {f"…: {cause}" for _, cause, _ in _CAUSES}
    return texts | set(shell_messages((ROOT / "workflow/scripts/env.sh").read_text(encoding="utf-8")))


def missing(texts: set[str], listed: set[str]) -> list[str]:
    """Return the texts without a row: neither the whole text nor its part before the way out is there."""
    return sorted(text for text in texts if not {text, text.split(";")[0].strip()} & listed)


def test_every_error_of_the_machine_is_listed_with_its_way_out() -> None:
    listed = rows()
    assert missing(machine_messages(), set(listed)) == []
    assert all(len(way) > 3 for way in listed.values())


def test_no_row_is_of_an_error_that_is_gone() -> None:
    text = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8").partition("\n## Set-up")[2]
    listed = {plain(first) for first, _ in ROW.findall(text)} - {"message"}
    there = machine_messages()
    assert sorted(listed - there - {each.split(";")[0].strip() for each in there}) == []


def test_a_missing_row_is_seen() -> None:
    assert missing({"a is gone; get it", "b"}, {"a is gone"}) == ["b"]


def test_a_message_of_the_script_has_gaps_for_variables() -> None:
    assert shell_messages('x || fail "a $b of ${c%%x}; d"') == ["a … of …; d"]


def test_the_page_of_messages_knows_the_classes_of_errors() -> None:
    assert set(KINDS) == {kind.__name__ for kind in (ConfigError, DataError, ExternalToolError)}


def test_a_message_is_read_with_gaps(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("workflow.site.messages.ROOT", tmp_path)
    source = "raise DataError(f'{path}: is ' 'broken; get {x!r}')\nraise DataError(text)\nraise DataError('a' + b)\n"
    (tmp_path / "module.py").write_text(source)
    texts = [message.text for message in messages(tmp_path, frozenset({"DataError"}))]
    assert texts == ["…: is broken; get {x!r}", "a…"]


def test_the_page_has_every_message() -> None:
    text = page().replace("\\", "")
    assert text.count("\n| ") > 400
    assert "no column" in text
