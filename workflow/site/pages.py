"""Pages that are generated: commands, Python interface, notebooks, and files outside docs/."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from html import escape
from pathlib import Path

from workflow.site import configuration, links, messages
from workflow.site.links import ROOT

NOTEBOOKS = "notebooks"


def generated() -> dict[str, str]:
    """Return the Markdown of each page that does not lie in docs/, by its path on the site."""
    pages = {"configuration.md": configuration.page(), "errors.md": messages.page()}
    pages |= {"commands.md": commands_page(), "api.md": interface_page()}
    for source in links.ELSEWHERE:
        if source.endswith(".md"):
            pages[links.page_of(source)] = links.rewrite(source, (ROOT / source).read_text(encoding="utf-8"))
    pages["index.md"] = f"---\nhide: [navigation]\n---\n{pages['index.md']}"
    for path in sorted((ROOT / NOTEBOOKS).glob("*.ipynb")):
        source = f"{NOTEBOOKS}/{path.name}"
        pages[links.page_of(source)] = links.rewrite(source, notebook_page(path))
    return pages


def attached(sources: dict[str, str]) -> set[str]:
    """Return the files of the repository that pages lead to and that are no pages themselves.

    Args:
        sources: Markdown by path below the root of the repository.
    """
    targets = {target for source, text in sources.items() for target in links.targets(source, text)}
    return {target for target in targets if links.page_of(target).startswith(f"{links.ATTACHED}/")}


def sources() -> dict[str, str]:
    """Return the Markdown of every page by the file of the repository that it comes from."""
    names = [name for name in links.ELSEWHERE if name.endswith(".md")]
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in names}
    for path in sorted((ROOT / "docs").rglob("*.md")):
        texts[path.relative_to(ROOT).as_posix()] = path.read_text(encoding="utf-8")
    for path in sorted((ROOT / NOTEBOOKS).glob("*.ipynb")):
        texts[path.relative_to(ROOT).as_posix()] = notebook_page(path)
    return texts


def notebook_page(path: Path) -> str:
    """Return a notebook as Markdown: its texts and its code, without outputs."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    parts = []
    for cell in cells:
        text = "".join(cell["source"]).strip()
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    title, *rest = parts
    note = f"This page shows the notebook `{NOTEBOOKS}/{path.name}` without its results; run it to see them."
    return "\n\n".join([title, f"*{note}*", *rest, ""])


def interface_page() -> str:
    """Return the page of the Python interface: one entry for each public name."""
    from adit import api

    text = "Every public name of `adit.api`. [Python interface](python.md) shows how they belong together."
    entries = (f"::: adit.api.{name}\n" for name in sorted(api.__all__, key=str.lower))
    return "\n".join(["# Reference of the Python interface\n", f"{text}\n", *entries])


def commands_page() -> str:
    """Return the page of all commands with their options, from the parsers of the command line."""
    from adit.cli import parser
    from adit.cli.overview import VERBS, Group

    top = parser()
    text = "The options of every command, as `adit COMMAND --help` shows them. The workflow's rules call the stages."
    verbs = _choices(top)
    stages = _choices(verbs.pop("stage"))
    upkeep = {verb.name for verb in VERBS if verb.group is Group.UPKEEP}
    commands = {name: _command(f"adit {name}", verb) for name, verb in verbs.items()}
    parts = ["# Commands\n", f"{text}\n", "## For users\n"]
    parts += [command for name, command in commands.items() if name not in upkeep]
    parts += ["## Stages of the workflow\n", *(_command(f"adit stage {name}", stage) for name, stage in stages.items())]
    parts += ["## For the upkeep of this project\n", *(commands[name] for name in commands if name in upkeep)]
    return "\n".join(parts)


def _choices(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    actions = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(actions[0].choices)


def _command(name: str, parser: argparse.ArgumentParser) -> str:
    return "\n".join([f"### {name}\n", f"{escape(parser.description or '', quote=False)}\n", *_options(parser), ""])


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield "| option | meaning |"
    yield "|---|---|"
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        if isinstance(action, argparse._SubParsersAction):
            for name, choice in action.choices.items():
                yield from (row.replace("| `", f"| `{name} ", 1) for row in list(_options(choice))[2:])
            continue
        words = " ".join(action.option_strings[-1:]) or str(action.metavar or action.dest)
        if action.choices:
            words += f" {{{','.join(map(str, action.choices))}}}"
        elif action.option_strings and action.nargs != 0:
            words += f" {action.metavar or action.dest.upper()}"
        words += " …" if action.nargs in ("+", "*") else ""
        text = escape(" ".join((action.help or "").split()).replace("%%", "%"), quote=False)
        needed = " (required)" if action.required and action.option_strings else ""
        yield f"| `{words}`{needed} | {text} |".replace("\\|", "|")
