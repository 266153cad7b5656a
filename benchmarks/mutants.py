"""What can be changed of a line of Python: operators, comparisons, numbers, conditions and some calls."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
ARITHMETIC = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
CALLS = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "sum": "mean",
    "mean": "sum",
    "sin": "cos",
    "cos": "sin",
}
TALK = {"info", "warning", "debug", "print", "Field", "overload", "import_module", "filterwarnings", "simplefilter"}
"""Calls whose arguments are words, or settings with tests of their own."""


@dataclass(frozen=True)
class Mutant:
    """One changed place.

    Attributes:
        file: path from the root of the repository.
        line: line number, from 1.
        start: where the place starts, in characters of the file, from 0.
        before: its text.
        after: what stands there instead.
        column: where the place starts in its line.
        context: the line.
    """

    file: str
    line: int
    start: int
    before: str
    after: str
    column: int = 0
    context: str = ""

    @property
    def module(self) -> str:
        """Return the dotted name of the module."""
        return self.file.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def lines(self) -> range:
        """Return the lines of the place."""
        return range(self.line, self.line + self.before.count("\n") + 1)

    @property
    def shown(self) -> tuple[str, str]:
        """Return the line and the changed line; of a place of several lines the place alone."""
        if "\n" in self.before or not self.context:
            return self.before, self.after
        end = self.column + len(self.before)
        return self.context, self.context[: self.column] + self.after + self.context[end:]

    @property
    def key(self) -> str:
        """Return what names the mutant while lines move."""
        return " ".join(f"{self.file.removeprefix('src/adit/')}: {self.shown[0]} -> {self.shown[1]}".split())

    def applied(self, text: str) -> str:
        """Return the file with the change.

        Raises:
            ValueError: the place is not there.
        """
        end = self.start + len(self.before)
        if text[self.start : end] != self.before:
            raise ValueError(f"{self.file}: does not hold {self.before}")
        return text[: self.start] + self.after + text[end:]


def mutants_of(path: Path, root: Path) -> list[Mutant]:
    """Return all mutants of a file, in order."""
    text = path.read_text(encoding="utf-8")
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    lines = text.splitlines()

    def place(line: int, offset: int) -> int:
        return starts[line - 1] + len(lines[line - 1].encode()[:offset].decode())

    mutants = []
    for node, changed in _changes(ast.parse(text)):
        start, end = place(node.lineno, node.col_offset), place(node.end_lineno, node.end_col_offset)
        before = text[start:end]
        after = changed if isinstance(changed, str) else ast.unparse(changed)
        after = (
            f"({after})" if isinstance(node, ast.BoolOp | ast.BinOp | ast.Compare | ast.UnaryOp | ast.IfExp) else after
        )
        column = start - starts[node.lineno - 1]
        mutants.append(
            Mutant(str(path.relative_to(root)), node.lineno, start, before, after, column, lines[node.lineno - 1])
        )
    return sorted(mutants, key=lambda mutant: (mutant.start, mutant.after))


def _changes(tree: ast.AST) -> Iterator[tuple[Any, Any]]:
    """Yield what can be changed, and what into; words, annotations and decorators are left alone."""
    for node in _code(tree):
        yield from ((node, changed) for changed in _changed(node))


def _code(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.JoinedStr | ast.Raise | ast.Assert | ast.Import | ast.ImportFrom):
        return
    if isinstance(node, ast.Call) and _name(node.func) in TALK:
        return
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _code(child)


def _name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _with(node: Any, **values: Any) -> Any:
    changed = deepcopy(node)
    for name, value in values.items():
        setattr(changed, name, value)
    return changed


def _changed(node: Any) -> Iterator[Any]:
    match node:
        case ast.Compare(ops=[op]) if type(op) in COMPARISONS:
            yield _with(node, ops=[COMPARISONS[type(op)]()])
        case ast.BinOp(op=op) if type(op) in ARITHMETIC and not _is_text(node):
            yield _with(node, op=ARITHMETIC[type(op)]())
        case ast.BoolOp(op=op):
            yield _with(node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.Constant(value=bool() as value):
            yield repr(not value)
        case ast.Constant(value=int() as value):
            yield repr(value + 1)
        case ast.Constant(value=float() as value):
            yield repr(value * 2.0 if value else 1.0)
        case ast.IfExp(test=test):
            yield _with(node, test=ast.UnaryOp(ast.Not(), test))
        case ast.AugAssign(op=op) if type(op) in ARITHMETIC:
            yield _with(node, op=ARITHMETIC[type(op)]())
        case ast.Name(id=name) if name in CALLS and name in ("min", "max", "any", "all"):
            yield CALLS[name]
        case ast.Call(func=ast.Attribute(attr=name) as function) if name in CALLS:
            yield _with(node, func=_with(function, attr=CALLS[name]))
        case ast.Continue():
            yield "break"
        case ast.Break():
            yield "continue"


def _is_text(node: ast.BinOp) -> bool:
    return any(isinstance(side, ast.JoinedStr) or _is_str(side) for side in (node.left, node.right))


def _is_str(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


NAMED = (
    ("flow/guidance.py", "self.conditions if self.guidance else self.nulls, self.mask", "self.conditions, self.mask"),
    ("flow/solver.py", "self.count += 1", "self.count += 2"),
    ("flow/solvers/multistep.py", "width / (2.0 * width_before)", "width_before / (2.0 * width)"),
    ("flow/solvers/one_step.py", "latents + sqrt(variance) * fresh()", "latents - sqrt(variance) * fresh()"),
    ("model/blocks.py", "* torch.arange(half, device=places.device)", "/ torch.arange(half, device=places.device)"),
    ("model/blocks.py", "torch.sin(angles)], dim=-1), (", "torch.sin(angles)], dim=-2), ("),
    ("model/build.py", "names[0] if names", "names[1] if names"),
    ("model/conditions.py", '", ".join(sorted(names)) or', '", ".join(sorted(names)) and'),
    ("model/conditions.py", "self.kind.weight, std=0.02", "self.kind.weight, std=0.04"),
    ("model/conditions.py", "init.normal_(table.weight, std=0.02", "init.normal_(table.weight, std=0.04"),
    ("model/dit.py", "torch.arange(x.shape[1], device=x.device)", "torch.arange(x.shape[2], device=x.device)"),
    ("model/equivariant.py", "(features.mask.device.type, enabled=False)", "(features.mask.device.type, enabled=True)"),
    ("model/equivariant.py", "(latents.device.type, enabled=False)", "(latents.device.type, enabled=True)"),
    ("train/dit.py", "draws.uniform[:, 1] < self", "draws.uniform[:, 0] < self"),
    ("score/crystals/validity.py", "+ 0.5 + 1e-9", "+ 1e-9"),
    ("hull/dft_references.py", "break  # a file holds", "continue  # a file holds"),
    ("hull/dft_references.py", "max(1, len(systems))", "max(2, len(systems))"),
    ("hull/hull.py", "/ sum(counts.values())", "/ len(counts)"),
    ("hull/hull.py", "not isinstance(counted, str) for", "isinstance(counted, str) for"),
    ("hull/hull.py", 'str(record[Col.ENERGY_TAG] or ""), references', 'str(record[Col.ENERGY_TAG] and ""), references'),
    ("hull/hull.py", "[:300]", "[:301]"),
    ("hull/reference_rows.py", "sort_keys=True", "sort_keys=False"),
    ("relax/dft/engines/vasp.py", "else -np.array(output.stress)", "else np.array(output.stress)"),
    ("relax/dft/job.py", "(-np.array(output.stress)", "(np.array(output.stress)"),
)
"""Changes of meaning that once no test noticed: file, text, changed text."""


def named(root: Path) -> list[Mutant]:
    """Return the mutants of ``NAMED``.

    Raises:
        ValueError: a file does not hold the text exactly once.
    """
    mutants = []
    for file, before, after in NAMED:
        path = root / "src/adit" / file
        text = path.read_text(encoding="utf-8")
        if text.count(before) != 1:
            raise ValueError(f"{path}: holds {text.count(before)} times, not once: {before}")
        start = text.index(before)
        line, column = text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start) - 1
        context = text.splitlines()[line - 1]
        mutants.append(Mutant(str(path.relative_to(root)), line, start, before, after, column, context))
    return mutants


def equivalent() -> dict[str, str]:
    """Return why a mutant changes nothing that is promised, by the mutant's key (``equivalent_mutants.yaml``)."""
    rows = yaml.safe_load((Path(__file__).parent / "equivalent_mutants.yaml").read_text(encoding="utf-8"))
    return {" ".join(f"{row['file']}: {row['line']} -> {row['becomes']}".split()): row["why"] for row in rows}
