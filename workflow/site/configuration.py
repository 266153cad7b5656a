"""The page of all keys of the configuration, from the JSON schema that the package's models export."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any

from workflow.site.links import ROOT

SCHEMA = "workflow/schemas/config.schema.json"

_INTRODUCTION = """# Configuration

Every key with its type, default and meaning. This page is generated from `workflow/schemas/config.schema.json`, and
that from the models in `src/adit/config` (`make schema`). `config/config.yaml` sets the run of the paper; a file given
with `--configfile` or `CONFIG=` overrides keys of it. An unknown key is an error that names the nearest valid one.
`adit check --config FILE` checks a file.

`KEY[]` is each entry of a list, `KEY.NAME` each entry with a name that you choose.
"""

Schema = Mapping[str, Any]


def page() -> str:
    """Return the Markdown of the page."""
    schema = json.loads((ROOT / SCHEMA).read_text(encoding="utf-8"))
    definitions, properties = schema["$defs"], schema["properties"]
    single = {name: each for name, each in properties.items() if _model(each, definitions) is None}
    parts = [_INTRODUCTION, "## Top level\n", *_table(single.items(), definitions)]
    for name, each in properties.items():
        model = _model(each, definitions)
        if model is not None:
            parts += [f"\n## {name}\n", f"{model['description']}\n", *_table([(name, each)], definitions)]
    return "\n".join([*parts, ""])


def _table(keys: Iterable[tuple[str, Schema]], definitions: Schema) -> Iterator[str]:
    yield "| key | type | default | meaning |"
    yield "|---|---|---|---|"
    for name, each in keys:
        yield from _rows(name, each, definitions, each.get("default"))


def _rows(key: str, each: Schema, definitions: Schema, default: Any, *, required: bool = False) -> Iterator[str]:
    """Yield the rows of a key: one, or those of the keys below it where it is a section.

    Args:
        key: name of the key, with dots.
        each: its schema.
        definitions: schemas of the sections.
        default: its default in the section around it.
        required: whether it has none.
    """
    model = _model(each, definitions)
    if model is None:
        value = "required" if required else f"`{json.dumps(default, ensure_ascii=False)}`"
        meaning = escape(" ".join(each.get("description", "").split()), quote=False)
        cells = (f"`{key}`", _type(each, definitions), value, meaning)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        yield from _inner_rows(key, each, definitions)
        return
    own = default or {}
    for name, inner in model["properties"].items():
        without: dict | None = {} if inner.get("type") == "object" else None
        value = own.get(name, inner.get("default", without))
        needed = name in model.get("required", ()) and name not in own
        yield from _rows(f"{key}.{name}", inner, definitions, value, required=needed)


def _inner_rows(key: str, each: Schema, definitions: Schema) -> Iterator[str]:
    """Yield the rows of the sections in a list (``key[]``) or below names of the user's (``key.NAME``)."""
    named = next(iter(each.get("patternProperties", {}).values()), each.get("additionalProperties"))
    for place, inner in ((f"{key}[]", each.get("items")), (f"{key}.NAME", named)):
        if isinstance(inner, dict) and _model(inner, definitions) is not None:
            yield from _rows(place, inner, definitions, None)


def _model(each: Schema, definitions: Schema) -> Schema | None:
    """Return the section that a schema refers to; ``None`` if it is a single value."""
    name = str(each.get("$ref", "")).rpartition("/")[2]
    model: Schema = definitions.get(name, {})
    return model if "properties" in model else None


def _type(each: Schema, definitions: Schema) -> str:
    """Return the type of a value in words, with its bounds."""
    if "$ref" in each:
        model = definitions[each["$ref"].rpartition("/")[2]]
        return "keys" if "properties" in model else _type(model, definitions)
    if "anyOf" in each or "oneOf" in each:
        return " or ".join(_type(option, definitions) for option in each.get("anyOf") or each["oneOf"])
    if "enum" in each:
        return ", ".join(f"`{value}`" for value in each["enum"])
    if "const" in each:
        return f"`{each['const']}`"
    kind = each.get("type", "any")
    if kind == "array":
        return _array(each, definitions)
    if kind == "object":
        inner = each.get("additionalProperties")
        inner = inner if isinstance(inner, dict) else next(iter(each.get("patternProperties", {}).values()), None)
        return f"names, each with {_type(inner, definitions)}" if inner else "names with values"
    return {"null": "null", "string": "text", "boolean": "true or false"}.get(kind, str(kind)) + _bounds(each)


def _array(each: Schema, definitions: Schema) -> str:
    if "prefixItems" in each:
        return f"[{', '.join(_type(item, definitions) for item in each['prefixItems'])}]"
    return f"list of {_type(each.get('items', {}), definitions)}"


_WORDS = (("exclusiveMinimum", "> {}"), ("minimum", "≥ {}"), ("exclusiveMaximum", "< {}"), ("maximum", "≤ {}"))
_MOST = 10_000_000
"""Largest count everywhere, which is not said again at each key."""


def _bounds(each: Schema) -> str:
    bounds = [
        text.format("2⁶³" if each[name] == 2**63 else each[name])
        for name, text in _WORDS
        if name in each and each[name] != _MOST
    ]
    return f" {', '.join(bounds)}" if bounds else ""
