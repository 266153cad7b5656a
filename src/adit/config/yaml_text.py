"""YAML of configurations: duplicate keys, endless trees and texts that cannot be arguments of programs are errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from adit.errors import ConfigError, one_line

FILE_CHARACTERS = 1_000_000
"""Largest number of characters of a configuration file."""

DEPTH = 40
"""Largest nesting depth."""

ENTRIES = 100_000
"""Largest number of keys and values; aliases count each time they occur."""

ARGUMENT_BYTES = 100_000
"""Largest size of one argument of a program, bytes; Linux allows 128 KiB."""


class _Loader(yaml.SafeLoader):
    """YAML's safe loader that refuses duplicate keys and deep nesting."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth = getattr(self, "depth", 0) + 1
        if self.depth > 2 * DEPTH:
            raise yaml.YAMLError(f"it is nested more than {DEPTH} deep")
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.YAMLError(f"the key '{key.value}' in line {key.start_mark.line + 1} is a duplicate")
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def load_yaml(text: str, where: str) -> Any:
    """Return the content of a YAML text.

    Args:
        text: the text.
        where: file of the text, for messages.

    Raises:
        ConfigError: it is not YAML, has a duplicate key, or is too large or too deep.
    """
    if len(text) > FILE_CHARACTERS:
        raise ConfigError(f"{where}: has {len(text):,} characters; a configuration has at most {FILE_CHARACTERS:,}")
    try:
        return yaml.load(text.removeprefix("\ufeff"), _Loader)
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError) as error:
        detail = one_line(str(error), 300) or type(error).__name__
        raise ConfigError(f"{where}: is not YAML for a configuration: {detail}") from None


def check_values(values: Any, where: str) -> None:
    """Check that all texts can be arguments of programs, and that their number and nesting are bounded.

    Args:
        values: content of a configuration.
        where: file of the content, for messages.

    Raises:
        ConfigError: a text contains a null character or invalid Unicode, there are more than ``ENTRIES`` values, they
            are nested deeper than ``DEPTH``, or their texts have more than ``ARGUMENT_BYTES`` bytes together.
    """
    size = 0
    for number, (path, value) in enumerate(_walk(values, ())):
        if number > ENTRIES:
            raise ConfigError(f"{where}: has more than {ENTRIES:,} entries")
        if len(path) > DEPTH:
            raise ConfigError(f"{where}: is nested more than {DEPTH} deep")
        texts = [text for text in (value, path[-1] if path else "") if isinstance(text, str)]
        for text in texts:
            if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
                key = ".".join(map(str, path))
                raise ConfigError(f"{where}: {key}: contains a null character or invalid Unicode")
            size += len(text.encode())
    if size > ARGUMENT_BYTES:
        raise ConfigError(f"{where}: its texts have {size:,} bytes together, more than {ARGUMENT_BYTES:,}")


def _walk(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield every value with its keys, containers before their content, up to one level below ``DEPTH``."""
    yield path, value
    if len(path) > DEPTH:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _walk(inner, (*path, key))
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from _walk(inner, (*path, index))
