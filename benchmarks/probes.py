"""Statements that say when a place of the package is reached, put into a copy of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mutants import Mutant

HITS = "hits.txt"
PROBE = "__probe__"
ENVIRONMENT = "ADIT_PROBES"
"""Names the file that gets the numbers of places that were reached."""
WITHOUT_PACKAGE = "relax/potentials/interpreter/"
"""Runs where the package is not, so that it has no probes."""

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

WRITER = f"""
def _write_probes() -> None:
    import builtins
    import os

    opened, write, close, environment = os.open, os.write, os.close, os.environ
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    state = {{"test": "", "places": set()}}

    def probe(place: int) -> None:
        path, test = environment.get("{ENVIRONMENT}"), environment.get("PYTEST_CURRENT_TEST", "")
        if state["test"] != test:
            state["test"], state["places"] = test, set()
        if path and test and place not in state["places"]:
            state["places"].add(place)
            descriptor = opened(path, flags, 0o644)
            write(descriptor, f"{{place}}\\n".encode())
            close(descriptor)

    builtins.{PROBE} = probe


_write_probes()
"""

Position = tuple[int, int]


@contextmanager
def instrument(places: Mapping[int, Mutant], tree: Path) -> Iterator[None]:
    """Put a probe for each place into a copy of the repository, and take them out again.

    Args:
        places: mutants by the number that their probe writes.
        tree: the copy.
    """
    by_file: dict[str, dict[int, Mutant]] = {}
    for number, mutant in places.items():
        if WITHOUT_PACKAGE not in mutant.file:
            by_file.setdefault(mutant.file, {})[number] = mutant
    start = "src/adit/__init__.py"
    texts = {file: (tree / file).read_text(encoding="utf-8") for file in {start, *by_file}}
    try:
        for file, mutants in by_file.items():
            (tree / file).write_text(with_probes(texts[file], mutants), encoding="utf-8")
        text = (tree / start).read_text(encoding="utf-8")
        (tree / start).write_text(text + WRITER, encoding="utf-8")
        yield
    finally:
        for file, text in texts.items():
            (tree / file).write_text(text, encoding="utf-8")


def with_probes(text: str, mutants: Mapping[int, Mutant]) -> str:
    """Return a module with a probe before the statement of each mutant.

    The statement of a mutant that is executed on import has no probe: all functions of the module have it instead.
    """
    tree = ast.parse(text)
    probes: dict[Position, list[int]] = {}
    for number, mutant in mutants.items():
        position = statement(tree, text, mutant.line)
        for each in [position] if position else sorted(bodies(tree)):
            probes.setdefault(each, []).append(number)
    lines = text.splitlines(keepends=True)
    for (line, column), numbers in sorted(probes.items(), reverse=True):
        indent = lines[line - 1][:column]
        if not indent.strip():
            lines.insert(line - 1, f"{indent}{'; '.join(f'{PROBE}({number})' for number in numbers)}\n")
    return "".join(lines)


def statement(tree: ast.Module, text: str, line: int) -> Position | None:
    """Return where the innermost statement of a line begins; nothing where it is executed on import."""
    chain = list(_chain(tree, line))
    bodies_of = [each for each in chain if isinstance(each, FUNCTIONS) and line >= each.body[0].lineno]
    if not bodies_of:
        return None
    lines = text.splitlines()
    while lines[chain[-1].lineno - 1].lstrip().startswith("elif"):
        chain.pop()
    return _begin(chain[-1])


def bodies(tree: ast.Module) -> Iterator[Position]:
    """Yield where the first statement of each function begins, behind its docstring."""
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS):
            first = 1 if ast.get_docstring(node, clean=False) is not None and len(node.body) > 1 else 0
            if node.body[first].lineno > node.lineno:
                yield _begin(node.body[first])


def _chain(node: ast.AST, line: int) -> Iterator[ast.stmt]:
    """Yield the statements below a node that hold a line, from the outermost to the innermost."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            first, last = _span(child)
            if first <= line <= last:
                if isinstance(child, ast.stmt):
                    yield child
                yield from _chain(child, line)


def _span(node: ast.stmt | ast.ExceptHandler | ast.match_case) -> tuple[int, int]:
    if isinstance(node, ast.match_case):
        return node.pattern.lineno, node.body[-1].end_lineno or node.body[-1].lineno
    return _begin(node)[0], node.end_lineno or node.lineno


def _begin(node: ast.stmt | ast.ExceptHandler) -> Position:
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(each.lineno for each in decorators)]), node.col_offset
