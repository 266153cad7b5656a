"""Conditions on the columns of a table, such as ``e_above_hull < 0.05 and novel``; they are read, never run as code.

    condition  := both ("or" both)*
    both       := negated ("and" negated)*
    negated    := "not" negated | comparison
    comparison := value [("<" | "<=" | ">" | ">=" | "=" | "==" | "!=" | "<>") value | ["not"] "in" list]
    list       := "(" value ("," value)* [","] ")" | "[" value ("," value)* [","] "]"
    value      := column | number | 'text' | "text" | true | false | "(" condition ")"

A column is a name; one with other characters stands between backticks. Every condition is true or false: a comparison
with a missing value is false, whatever its sign, and so is a missing value where a condition is expected. ``not``
exchanges true and false, so that ``not energy < 0`` is true if there is no energy. Numbers and truth values (1, 0)
compare as numbers, texts as texts; a number and a text are never equal, and neither is smaller.
"""

from adit.expressions.grammar import parse_condition
from adit.expressions.nodes import Condition, check_columns, plain

__all__ = ["Condition", "check_columns", "parse_condition", "plain"]
