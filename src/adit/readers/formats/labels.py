"""Labels in texts: numbers are converted, missing values are ``None``."""

from __future__ import annotations

import math
import re
from typing import Any, Final

_MISSING: Final = frozenset(
    {"", "?", ".", "-", "--", "na", "n/a", "n.a.", "nan", "none", "null", "nil", "missing", "<na>"}
)
_INTEGER: Final = re.compile(r"[+-]?(?:0|[1-9]\d*)")
_FLOAT: Final = re.compile(r"[+-]?(?:\d+\.\d*|\.\d+|\d+)(?:[eEdD][+-]?\d+)?")


def label_of(value: Any) -> Any:
    """Return a label: a number if the text is one, otherwise the text; ``None`` for a missing value.

    Blank fields, ``n/a`` and similar, NaN and infinite numbers are missing values. A number with leading zeros, such as
    ``0012``, is a name and stays text. Scalars and arrays of numpy become Python numbers and lists.
    """
    if value is None:
        return None
    if isinstance(value, str):
        text = value.strip()
        if text.lower() in _MISSING:
            return None
        if _INTEGER.fullmatch(text) and len(text) < 19:
            return int(text)
        if _FLOAT.fullmatch(text) and not re.fullmatch(r"0\d+", text):
            number = float(text.replace("d", "e").replace("D", "e"))
            return number if math.isfinite(number) else None
        return None if text.lower().lstrip("+-") in ("inf", "infinity") else text
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "tolist"):
        return value.tolist()
    return None if value.__class__.__name__ in ("NAType", "NaTType") else value
