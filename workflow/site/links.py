"""Pages of the site by the file of the repository that they come from, and the links between them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

ELSEWHERE: Final = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "weights/README.md": "weights.md",
    "results/README.md": "results.md",
    "workflow/schemas/config.schema.json": "configuration.md",
    "src/adit/errors.py": "errors.md",
    "src/adit/cli/__init__.py": "commands.md",
    "src/adit/api/__init__.py": "api.md",
}
"""Pages of files outside docs/: path below the root of the repository → page of the site."""

ATTACHED: Final = "files"
"""Folder of the site with the other files that pages lead to, such as the licence."""

_LINK: Final = re.compile(r"(?<=\]\()([^)#\s]+)(#[^)\s]*)?(?=\))")
_CODE: Final = re.compile(r"^(?: {4}|\t).*$|`[^`\n]*`", re.MULTILINE)


class DeadLinkError(Exception):
    """A relative link leads to no file of the repository."""


def page_of(source: str) -> str:
    """Return the page or file of the site for a file of the repository.

    Args:
        source: path below the root of the repository, with ``/``.
    """
    if source in ELSEWHERE:
        return ELSEWHERE[source]
    if source.startswith("docs/"):
        return source.removeprefix("docs/")
    if source.startswith("notebooks/") and source.endswith(".ipynb"):
        return f"{source.removesuffix('.ipynb')}.md"
    return f"{ATTACHED}/{source}"


def targets(source: str, text: str) -> Iterator[str]:
    """Yield the files of the repository that the relative links of a page lead to.

    Args:
        source: path of the page below the root of the repository.
        text: its Markdown.

    Raises:
        DeadLinkError: there is no such file, or it lies outside the repository.
    """
    for match in _LINK.finditer(_without_code(text)):
        if not _is_outside(match[1]):
            yield _resolve(source, match[1])


def rewrite(source: str, text: str) -> str:
    """Return the Markdown of a page with its relative links as they are on the site; see ``targets``."""
    here = posixpath.dirname(page_of(source))

    def on_site(match: re.Match[str]) -> str:
        if _is_outside(match[1]):
            return match[0]
        target = page_of(_resolve(source, match[1]))
        return posixpath.relpath(target, here or ".") + (match[2] or "")

    code = [match.span() for match in _CODE.finditer(text)]
    parts, end = [], 0
    for match in _LINK.finditer(text):
        if not any(start <= match.start() < stop for start, stop in code):
            parts += [text[end : match.start()], on_site(match)]
            end = match.end()
    return "".join([*parts, text[end:]])


def _without_code(text: str) -> str:
    return _CODE.sub("", text)


def _is_outside(target: str) -> bool:
    return "://" in target or target.startswith("mailto:")


def _resolve(source: str, target: str) -> str:
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    if (ROOT / path).is_dir():
        path = f"{path}/README.md"
    if path.startswith("..") or not (ROOT / path).is_file():
        raise DeadLinkError(f"{source}: {target} leads to no file of the repository")
    return path
