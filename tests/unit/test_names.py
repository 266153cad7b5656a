"""Names are nouns of what they hold: six participles and pronouns that say nothing are no names."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("src", "tests", "benchmarks", "workflow")
EMPTY = frozenset({"told", "asked", "found", "known", "made", "whose"})


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of the variables, parameters, attributes, functions, classes and imports of a module."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) | ast.Attribute(attr=name):
                yield node.lineno, name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.ExceptHandler(name=str(name)):
                yield node.lineno, name
            case ast.alias(asname=str(name)):
                yield node.lineno, name


def empty_names(source: str) -> list[str]:
    """Return ``line: name`` of the names in a module's source that are no nouns."""
    return [f"{line}: {name}" for line, name in names(ast.parse(source)) if name.strip("_").lower() in EMPTY]


@pytest.mark.parametrize("folder", FOLDERS)
def test_names_are_nouns(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    breaches = [
        f"{path.relative_to(ROOT)}:{each}" for path in files for each in empty_names(path.read_text(encoding="utf-8"))
    ]
    assert breaches == []


TEXTS = ("Snakefile", "workflow/rules/*.smk", "src/adit/report/templates/js/*.js")
BOUND = re.compile(rf"\b({'|'.join(sorted(EMPTY))})\s*(?:\+?=(?![=>])|:=|(?<=\s)in\s|(?<=\s)of\s)")
"""A name that is given a value, in rules and in the page's scripts."""


def bound_names(text: str) -> list[str]:
    """Return ``line: name`` of the empty names that a rule or a script binds; comments and texts are left out."""
    lines = enumerate(re.sub(r"(['\"`]).*?\1", "''", text).splitlines(), 1)
    return [f"{n}: {match[1]}" for n, line in lines if (match := BOUND.search(re.split("#|//", line)[0]))]


@pytest.mark.parametrize("pattern", TEXTS)
def test_names_are_nouns_in_rules_and_scripts(pattern: str) -> None:
    files = sorted(ROOT.glob(pattern))
    assert files
    assert [f"{path.name}:{each}" for path in files for each in bound_names(path.read_text(encoding="utf-8"))] == []


def test_a_bound_name_is_seen_in_rules_and_scripts() -> None:
    assert bound_names("found = []\nconst told = 1;\nfor (const made of x) y;\nfor known in x:") == [
        "1: found",
        "2: told",
        "3: made",
        "4: known",
    ]
    assert bound_names("if found == 1: pass  # found = 2\n'told = 1'") == []


@pytest.mark.parametrize(
    "source",
    [
        "found = 1",
        "for known in (): pass",
        "def f(asked): pass",
        "def _made(): pass",
        "class Told: pass",
        "x.found",
        "x.whose = 1",
        "with open('a') as told: pass",
        "(found := 2)",
        "lambda made: 1",
        "from a import b as known",
        "try: pass\nexcept ValueError as told: pass",
    ],
)
def test_every_kind_of_name_is_seen(source: str) -> None:
    assert len(empty_names(source)) == 1


def test_a_public_class_has_a_name_of_its_own() -> None:
    """Two rooms that give one name to different things are read as if they shared it."""
    places: dict[str, list[str]] = {}
    for path in sorted((ROOT / "src/adit").rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_a_function_that_is_imported_by_name_has_a_name_of_its_own() -> None:
    """``from room import check`` says which function is meant only as long as there is one."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "src/adit").rglob("*.py")}
    defined = {
        (str(path.relative_to(ROOT / "src").with_suffix("")).replace("/", "."), node.name)
        for path, tree in trees.items()
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }
    nodes = [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imports = {(str(node.module), alias.name) for node in nodes for alias in node.names}
    assert not [name for module, name in imports if module.startswith("adit.") and re.match("_[a-z]", name)], "private"
    counts = Counter(name for _, name in imports & defined)
    assert {name for name, count in counts.items() if count > 1} == set()


def test_texts_keys_and_longer_names_are_free() -> None:
    assert empty_names("{'found': 1}\nf(**{'told': 2})\nis_known = 'asked'\nfoundation = 1") == []
