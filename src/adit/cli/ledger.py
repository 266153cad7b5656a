"""Verbs of the ledger: the candidates of all runs in one file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from adit.cli.parsing import Verbs, add_workers, at_least_one
from adit.columns import Col
from adit.errors import printable
from adit.progress import log, quantity

DEFAULT: Final = Path("results/ledger.sqlite")
"""Default of ``--ledger``."""


def _ledger(args: argparse.Namespace) -> None:
    {"add": _add, "query": _query, "show": _show, "mark": _mark, "export": _export}[args.action](args)


def _add(args: argparse.Namespace) -> None:
    from adit.ledger.add import add

    add(args.ledger, args.runs, args.workers)


def _query(args: argparse.Namespace) -> None:
    from adit.ledger.query import query

    answer = query(args.ledger, args.condition, args.columns, args.limit)
    sys.stdout.write(_lines([answer.columns, *answer.rows]))
    shown = f", {len(answer.rows)} shown" if answer.total > len(answer.rows) else ""
    log.info("%s%s", quantity(answer.total, "candidate"), shown)


def _show(args: argparse.Namespace) -> None:
    from adit.ledger.query import history

    for one in args.ids:
        members, marks = history(args.ledger, one)
        sys.stdout.write(_lines([("run", "id in the run", Col.E_ABOVE_HULL), *members]))
        sys.stdout.write(_lines([("date", "state", "comment"), *marks]))


def _mark(args: argparse.Namespace) -> None:
    from adit.ledger.query import mark

    state = mark(args.ledger, args.ids, args.state, args.comment)
    log.info("%s: %s", ", ".join(args.ids), state)


def _export(args: argparse.Namespace) -> None:
    from adit.ledger.export import export_candidates

    export_candidates(args.ledger, args.condition, args.out)


def _lines(rows: Sequence[Sequence[Any]]) -> str:
    """Return rows as text in columns."""
    texts = [[_text(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return "".join("  ".join(map(str.ljust, row, widths)).rstrip() + "\n" for row in texts)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else printable(str(value))


def register(verbs: Verbs) -> None:
    """Add the verb of this room."""
    verbs.add("ledger", _ledger, _declare, needs_config=False)


def _declare(sub: argparse.ArgumentParser) -> None:
    actions = sub.add_subparsers(dest="action", required=True, metavar="ACTION", help="`adit ledger ACTION --help`")
    add = _action(actions, "add", "add the candidates of runs; duplicates are merged")
    add.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders of runs, e.g. results/*")
    add_workers(add, "processes; default: 1")
    query = _action(actions, "query", "list the candidates that fulfil a condition")
    _add_condition(query)
    text = "columns to show; default: a few, and those of the condition"
    query.add_argument("--columns", nargs="+", default=[], metavar="COLUMN", help=text)
    query.add_argument("--limit", type=at_least_one, default=50, help="rows to show; default: 50")
    show = _action(actions, "show", "list the runs that made a candidate, and its marks")
    _add_ids(show)
    mark = _action(actions, "mark", "set the state of candidates")
    _add_ids(mark)
    text = "new, queued, dft-done, confirmed, rejected, or made (synthesised is another word for made)"
    mark.add_argument("state", metavar="STATE", help=text)
    mark.add_argument("--comment", default="", help="kept with the state and its date; default: none")
    export = _action(actions, "export", "write candidates as a CSV table, CIF files and a page with filters")
    _add_condition(export)
    export.add_argument("--out", type=Path, required=True, help="folder to write")


def _action(actions: Any, name: str, text: str) -> argparse.ArgumentParser:
    action: argparse.ArgumentParser = actions.add_parser(name, help=text, description=text)
    action.add_argument("--ledger", type=Path, default=DEFAULT, help=f"file of the ledger; default: {DEFAULT}")
    action.add_argument(
        "--log",
        type=Path,
        default=argparse.SUPPRESS,
        help="also write messages to this file; default: only to the terminal",
    )
    adopt = "replace output files that are not in the manifest of this command (docs/security.md)"
    action.add_argument("--adopt", action="store_true", default=argparse.SUPPRESS, help=adopt)
    return action


def _add_condition(action: argparse.ArgumentParser) -> None:
    text = "e.g. 'e_above_hull < 0.05 and novel' (docs/ledger.md); default: all candidates"
    action.add_argument("condition", nargs="?", default="", metavar="CONDITION", help=text)


def _add_ids(action: argparse.ArgumentParser) -> None:
    action.add_argument("ids", nargs="+", metavar="ID", help="ids of candidates, or their first characters")
