"""Every error message of the package, read from its source: the texts of the errors that a user can fix."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from workflow.site.links import ROOT

PACKAGE: Final = "src/adit"

GAP: Final = "…"
"""What stands for a value that is known only when the error is raised."""

KINDS: Final = {
    "ConfigError": "The configuration or the command line (exit code 2)",
    "DataError": "Input data and stored files (exit code 3)",
    "ExternalToolError": "Programs, engines and libraries (exit code 4)",
}

_INTRODUCTION: Final = """# Error messages

Every message of the three kinds of errors that you can fix, generated from the source of the package; {gap} stands for
a name or a number. Most messages end with the way out, after the semicolon. [Troubleshooting](troubleshooting.md) says
more about the frequent ones.
"""


@dataclass(frozen=True)
class Message:
    """The text of an error.

    Attributes:
        kind: class of the error.
        text: its text with ``GAP`` for values.
        place: file, below the root of the repository.
        literal: the longest part of the text that is always the same.
    """

    kind: str
    text: str
    place: str
    literal: str


def messages(folder: Path, kinds: frozenset[str]) -> Iterator[Message]:
    """Yield the messages of the errors that the files of a folder raise; those that only pass a text on are left out.

    Args:
        folder: its Python files are read, those of folders below too.
        kinds: names of the classes of errors.
    """
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds):
                continue
            parts = [part for argument in node.args[:1] for part in _parts(argument)]
            literal = max((part for part in parts if part != GAP), key=len, default="")
            if any(character.isalpha() for character in literal):
                text = " ".join("".join(parts).split())
                yield Message(node.func.id, text, str(path.relative_to(ROOT)), " ".join(literal.split()))


def _parts(node: ast.expr) -> Iterator[str]:
    """Yield the literal parts of a text, and ``GAP`` for each value."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=values):
            for value in values:
                yield from _parts(value)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            yield from _parts(left)
            yield from _parts(right)
        case _:
            yield GAP


def page() -> str:
    """Return the Markdown of the page of all messages."""
    every = list(messages(ROOT / PACKAGE, frozenset(KINDS)))
    parts = [_INTRODUCTION.format(gap=GAP)]
    for kind, title in KINDS.items():
        parts += [f"## {title}\n", "| message | room |", "|---|---|"]
        texts = {message.text: message.place.split("/")[2] for message in every if message.kind == kind}
        parts += [f"| {_cell(text)} | {texts[text].removesuffix('.py')} |" for text in sorted(texts, key=_order)]
        parts.append("")
    return "\n".join(parts)


def _cell(text: str) -> str:
    marked = escape(text, quote=False).replace("|", "\\|").replace("*", "\\*").replace("_", "\\_")
    return marked.replace("[", "\\[").replace("`", "\\`")


def _order(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())
