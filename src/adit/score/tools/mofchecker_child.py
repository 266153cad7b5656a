"""Server of MOFChecker's checks: a program without imports of this package, for the Python that has MOFChecker.

It reads one JSON line per structure (numbers, positions in Å, cell in Å) and answers with one JSON line: ``checks`` by
name (true, false, or null without a result), ``reasons`` of the latter, or ``error``. Each structure has its own
process, forked after the libraries are loaded, so that a crash affects only that structure. With ``--probe`` it writes
the versions and ends.

Source: MOFChecker 0.9.6 (K. M. Jablonka), with its defaults: symmetrised (symprec 0.5), primitive cell.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import warnings
from importlib import metadata
from typing import Any

CHECKS = (
    "has_carbon",
    "has_hydrogen",
    "has_metal",
    "has_atomic_overlaps",
    "has_overcoordinated_c",
    "has_overcoordinated_n",
    "has_overcoordinated_h",
    "has_undercoordinated_c",
    "has_undercoordinated_n",
    "has_undercoordinated_rare_earth",
    "has_undercoordinated_alkali_alkaline",
    "has_lone_molecule",
    "has_high_charges",
    "has_suspicicious_terminal_oxo",
    "has_geometrically_exposed_metal",
)
"""Properties of MOFChecker that are computed, as it spells them."""


def load() -> Any:
    """Import MOFChecker with aliases for the old names of pymatgen's classes.

    The definitions are the same under both names. Without EQeq, MOFChecker would report high charges, so its absence is
    an error here.

    Raises:
        ImportError: MOFChecker, pymatgen or EQeq (pyeqeq) is not installed.
    """
    local_env: Any = importlib.import_module("pymatgen.analysis.local_env")
    graph: Any = importlib.import_module("pymatgen.analysis.graphs").StructureGraph
    element: Any = importlib.import_module("pymatgen.core").Element
    if not hasattr(local_env, "BrunnerNN_relative"):
        local_env.BrunnerNN_relative = local_env.BrunnerNNRelative
    if not hasattr(element, "is_rare_earth_metal"):
        element.is_rare_earth_metal = property(lambda each: each.is_lanthanoid or each.is_actinoid)
    if not hasattr(graph, "with_local_env_strategy"):
        graph.with_local_env_strategy = graph.from_local_env_strategy
    importlib.import_module("pyeqeq.main")
    return importlib.import_module("mofchecker").MOFChecker


def check(checker_class: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Return the checks of one structure and the reasons of those without an answer.

    Args:
        checker_class: the class ``MOFChecker``.
        request: ``numbers`` (n,), ``positions`` (n, 3), Å, and ``cell`` (3, 3), Å.

    Raises:
        ValueError: MOFChecker cannot read the structure, for another reason than its symmetry.
    """
    core: Any = importlib.import_module("pymatgen.core")
    lattice = core.Lattice(request["cell"])
    structure = core.Structure(lattice, request["numbers"], request["positions"], coords_are_cartesian=True)
    try:
        checker = checker_class(structure)
    except ValueError as error:  # with an older pymatgen (TypeError), MOFChecker continues without symmetry
        if type(error).__name__ != "SymmetryUndeterminedError":
            raise
        checker = checker_class(structure, symprec=None, angle_tolerance=None)
    checks: dict[str, bool | None] = {}
    reasons: dict[str, str] = {}
    for name in CHECKS:
        try:
            checks[name] = bool(getattr(checker, name))
        except Exception as error:  # noqa: BLE001 - any exception of a check is its reason
            checks[name] = None
            reasons[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:150]}"
    return {"checks": checks, "reasons": reasons}


def answer_in_own_process(checker_class: Any, line: str) -> str:
    """Return the answer (JSON) to one line (JSON) from a forked process; a crash is an answer with ``error``."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        try:
            answer = check(checker_class, json.loads(line))
        except Exception as error:  # noqa: BLE001 - any exception of the library is the structure's reason
            answer = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"}
        with os.fdopen(write, "w") as file:
            file.write(json.dumps(answer))
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as file:
        text = file.read()
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code or not text:
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return json.dumps({"error": f"MOFChecker ended its process ({how})"})
    return text


def versions() -> dict[str, str]:
    """Return the versions that affect the checks."""
    names = ("mofchecker", "pyeqeq", "libconeangle", "structuregraph-helpers", "pymatgen")
    return {name: metadata.version(name) for name in names}


def main() -> None:
    """Serve until the input ends; output of libraries goes to standard error."""
    warnings.simplefilter("ignore")
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        checker_class = load()
        result: dict[str, Any] = {"versions": versions()}
    except Exception as error:  # noqa: BLE001 - any exception of a broken environment is the answer
        result = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"}
    with contextlib.suppress(BrokenPipeError):
        out.write(json.dumps(result) + "\n")
        out.flush()
        if "error" in result or "--probe" in sys.argv:
            return
        for line in sys.stdin:
            out.write(answer_in_own_process(checker_class, line) + "\n")
            out.flush()


if __name__ == "__main__":
    main()
