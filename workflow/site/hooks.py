"""Hooks of mkdocs: generated pages, links out of docs/, and folders in the navigation."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parents[2]))

from workflow.site import links, pages


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Replace each folder in the navigation, ``name/``, by its pages, its README first."""
    config.nav = [_expanded(entry) for entry in config.nav or []]
    return config


def _expanded(entry: Any) -> Any:
    if isinstance(entry, list):
        return [_expanded(each) for each in entry]
    if isinstance(entry, dict):
        return {title: _expanded(each) for title, each in entry.items()}
    if not entry.endswith("/"):
        return entry
    if entry == f"{pages.NOTEBOOKS}/":
        return [links.page_of(f"{entry}{path.name}") for path in sorted((links.ROOT / entry).glob("*.ipynb"))]
    names = sorted(path.name for path in (links.ROOT / "docs" / entry).glob("*.md"))
    return [entry + name for name in sorted(names, key=lambda name: name != "README.md")]


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the generated pages, and the files outside docs/ that pages lead to."""
    try:
        texts = pages.generated()
        others = pages.attached(pages.sources())
    except links.DeadLinkError as error:
        raise PluginError(str(error)) from error
    for name, text in texts.items():
        files.append(File.generated(config, name, content=text))
    for source in sorted(others):
        files.append(File.generated(config, links.page_of(source), abs_src_path=str(links.ROOT / source)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite the links of a page that lies in docs/; those of generated pages are rewritten already."""
    if page.file.generated_by is not None:
        return markdown
    return links.rewrite(f"docs/{page.file.src_uri}", markdown)
