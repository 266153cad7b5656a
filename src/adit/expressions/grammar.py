"""Reads the text of a condition into its tree: recursive descent over tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from adit.errors import ConfigError
from adit.expressions.nodes import ColumnValue, Comparison, Condition, Joined, Literal, Membership, Node, Not

LONGEST: Final = 10_000
"""Largest number of characters of a condition."""

DEEPEST: Final = 50
"""Largest depth of nested parentheses and words ``not``."""

_TOKEN: Final = re.compile(
    r"""\s*(?:
    (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
  | (?P<text>'[^']*'|"[^"]*")
  | `(?P<column>[^`]+)`
  | (?P<name>[^\W\d][\w.]*)
  | (?P<sign><=|>=|==|!=|<>|[<>=(),\[\]])
)""",
    re.VERBOSE,
)

_SIGNS: Final = {"<": "<", "<=": "<=", ">": ">", ">=": ">=", "=": "=", "==": "=", "!=": "!=", "<>": "!="}
_WORDS: Final = ("and", "or", "not", "in")
_TRUTH: Final = {"true": 1.0, "false": 0.0}
_CLOSING: Final = {"(": ")", "[": "]"}


@dataclass(frozen=True)
class _Token:
    """A piece of the text.

    Attributes:
        kind: number, text, column, word, sign or end.
        text: text without quotes; words in lower case.
        at: its place in the text, from 0.
    """

    kind: str
    text: str
    at: int


def parse_condition(text: str, where: str = "condition") -> Condition:
    """Read a condition; the docstring of this package has the grammar.

    Args:
        text: the condition.
        where: option or key that has the condition, for messages.

    Raises:
        ConfigError: the text is no condition, too long or nested too deep; the message names the place in it.
    """
    if len(text) > LONGEST:
        raise ConfigError(f"{where}: has {len(text)} characters, at most {LONGEST} are read")
    reader = _Reader(_tokens(text, where), text, where)
    root = reader.either(0)
    if reader.now.kind != "end":
        raise reader.error("expected 'and', 'or' or the end")
    return Condition(text, root)


def _tokens(text: str, where: str) -> list[_Token]:
    tokens, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            start = len(text) - len(text[at:].lstrip())
            raise ConfigError(f"{where}: cannot read {text[start : start + 20]!r} at character {start + 1} of: {text}")
        kind, piece = match.lastgroup, match.group(match.lastgroup)
        if kind == "name":
            word = piece.lower() in (*_WORDS, *_TRUTH)
            kind, piece = ("word", piece.lower()) if word else ("column", piece)
        elif kind == "text":
            piece = piece[1:-1]
        tokens.append(_Token(kind, piece, match.start(match.lastgroup)))
        at = match.end()
    return [*tokens, _Token("end", "", len(text))]


class _Reader:
    """Descends through the tokens."""

    def __init__(self, tokens: list[_Token], text: str, where: str) -> None:
        self._tokens, self._text, self._where = tokens, text, where
        self._next = 0

    @property
    def now(self) -> _Token:
        """Return the token that comes next."""
        return self._tokens[self._next]

    def error(self, wish: str) -> ConfigError:
        """Return the error at the next token."""
        token = self.now
        place = "the end" if token.kind == "end" else f"'{token.text}' (character {token.at + 1})"
        return ConfigError(f"{self._where}: {wish}, not {place}, in: {self._text}")

    def either(self, depth: int) -> Node:
        """Read conditions joined by ``or``."""
        parts = [self._both(depth)]
        while self._took("word", "or"):
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else Joined("or", tuple(parts))

    def _both(self, depth: int) -> Node:
        parts = [self._negated(depth)]
        while self._took("word", "and"):
            parts.append(self._negated(depth))
        return parts[0] if len(parts) == 1 else Joined("and", tuple(parts))

    def _negated(self, depth: int) -> Node:
        if depth > DEEPEST:
            raise ConfigError(f"{self._where}: more than {DEEPEST} parentheses or 'not' in each other")
        return Not(self._negated(depth + 1)) if self._took("word", "not") else self._comparison(depth)

    def _comparison(self, depth: int) -> Node:
        left = self._value(depth)
        if self.now.kind == "sign" and self.now.text in _SIGNS:
            sign = _SIGNS[self._take().text]
            compared = Comparison(sign, left, self._value(depth))
            if self.now.kind == "sign" and self.now.text in _SIGNS:
                raise self.error("join comparisons with 'and': expected 'and', 'or' or the end")
            return compared
        negative = self._took("word", "not")
        if self._took("word", "in"):
            return Membership("!=" if negative else "=", left, self._list(depth))
        if negative:
            raise self.error("expected 'in' after 'not'")
        return left

    def _list(self, depth: int) -> tuple[Node, ...]:
        opening = self.now.text if self.now.kind == "sign" else ""
        if opening not in _CLOSING:
            raise self.error("expected a list such as (1, 2) after 'in'")
        self._take()
        choices = [self._value(depth)]
        while self._took("sign", ","):
            if self.now == _Token("sign", _CLOSING[opening], self.now.at):
                break
            choices.append(self._value(depth))
        if not self._took("sign", _CLOSING[opening]):
            raise self.error(f"expected ',' or '{_CLOSING[opening]}'")
        return tuple(choices)

    def _value(self, depth: int) -> Node:
        token = self.now
        if token.kind == "number":
            return Literal(float(self._take().text))
        if token.kind == "text":
            return Literal(self._take().text)
        if token.kind == "column":
            return ColumnValue(self._take().text)
        if token.kind == "word" and token.text in _TRUTH:
            return Literal(_TRUTH[self._take().text])
        if self._took("sign", "("):
            inner = self.either(depth + 1)
            if not self._took("sign", ")"):
                raise self.error("expected ')'")
            return inner
        raise self.error("expected a column, a number, a text in quotes or '('")

    def _take(self) -> _Token:
        token = self.now
        self._next += 1
        return token

    def _took(self, kind: str, text: str) -> bool:
        """Take the next token where it is this one; return whether it was."""
        if (self.now.kind, self.now.text) != (kind, text):
            return False
        self._next += 1
        return True
