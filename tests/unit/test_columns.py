"""The registry of columns and metrics: it alone spells their names, those of surrogate energies too."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from adit.columns import COLUMNS, METRICS, Col, Metric, bare_name, potential_of, stored_as, surrogate_prefix
from adit.hull.energy_tags import MP2020_TAG, surrogate_of

PACKAGE = Path(__file__).parents[2] / "src/adit"
ROOMS = ("score", "report", "cli", "hull", "relax")
NAMES = COLUMNS | METRICS

ELSEWHERE = {
    # Not columns but other things of the same name: steps of the funnel, keys of the configuration, ASE's names.
    "relaxed": "step of the funnel, name of a table or option",
    "stable": "step of the funnel, kind of sort in pandas",
    "metastable": "key of the protocol card",
    "unique": "step of the funnel",
    "novel": "step of the funnel",
    "steps": "key of the configuration and of a training's record",
    "spacegroup": "condition of sampling, label of a fact",
    "composition": "condition of sampling, reason of the funnel",
    "preset": "key of the configuration",
    "energy": "ASE's name of a calculator's result",
    "density": "a file of GPAW",
    "fmax": "key of the configuration",
    "source": "key of a record that is not a table: published numbers, dataset, samples taken",
    "surrogate": "key of the manifest and the protocol card",
    "selected": "option",
    "status": "kind of cell or field; attribute of an outcome",
    "reason": "class of a cell",
    "formula": "kind of cell or field",
    "code": "kind of cell or field; attribute of an engine",
    "validity": "name of a figure's axis",
    "smiles": "attribute of a molecule's names",
    "inchikey": "attribute of a molecule's names",
}
"""Registered words that are no column where they stand; single words alone."""

OTHERS = ("relax/potentials", "hull/materials_project.py")
"""Where literals are fields of a stored dataclass, or keys of the Materials Project's files: no columns of ours."""


def literals(path: Path) -> list[tuple[int, str]]:
    """Return the lines and texts of a file's strings that are registered names."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return [(n.lineno, n.value) for n in texts if n.value in NAMES]


@pytest.mark.parametrize("room", ROOMS)
def test_names_of_columns_are_spelled_in_the_registry_alone(room: str) -> None:
    spelled = [
        f"{path.relative_to(PACKAGE)}:{line}: '{text}'"
        for path in sorted((PACKAGE / room).rglob("*.py"))
        if not str(path.relative_to(PACKAGE)).startswith(OTHERS)
        for line, text in literals(path)
        if text not in ELSEWHERE
    ]
    assert not spelled, "use adit.columns: " + ", ".join(spelled)


def test_exceptions_are_single_words_that_occur() -> None:
    texts = {text for room in ROOMS for path in (PACKAGE / room).rglob("*.py") for _, text in literals(path)}
    assert set(ELSEWHERE) <= texts
    assert not [word for word in ELSEWHERE if "_" in word]


@pytest.mark.parametrize("room", ROOMS)
def test_the_surrogates_prefix_is_spelled_in_the_registry_alone(room: str) -> None:
    for path in (PACKAGE / room).rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docs = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
                assert "_surrogate_" not in node.value, f"{path}:{node.lineno}"


def test_every_name_has_a_label() -> None:
    assert all(member.label and "_" not in member.label for member in (*Col, *Metric))
    assert Col.E_ABOVE_HULL.unit == "eV/atom"
    assert str(Metric.SUN) == "sun"
    assert Metric.SUN.label == "S.U.N."


def test_names_of_surrogates_go_there_and_back() -> None:
    name = surrogate_prefix("chgnet") + Col.E_ABOVE_HULL
    assert name == "chgnet_surrogate_e_above_hull"
    assert (potential_of(name), bare_name(name)) == ("chgnet", "e_above_hull")
    assert (potential_of("e_above_hull"), bare_name("e_above_hull")) == ("", "e_above_hull")
    assert surrogate_prefix("") == ""
    assert stored_as(Col.E_ABOVE_HULL, ["n_atoms", "other_surrogate_e_above_hull"]) == "other_surrogate_e_above_hull"
    assert stored_as(Col.E_ABOVE_HULL, ["chgnet_surrogate_formation_energy_per_atom"]) == "e_above_hull"


def test_any_registered_potential_can_be_a_surrogate(monkeypatch: pytest.MonkeyPatch) -> None:
    from adit import columns

    monkeypatch.setitem(columns.POTENTIALS, "other", "Other")
    assert surrogate_of("other-2/PBE(+U)/MP2020", MP2020_TAG) == "other"
    assert surrogate_of("chgnet-0.3.0/PBE(+U)/MP2020", MP2020_TAG) == "chgnet"
    assert surrogate_of(MP2020_TAG, MP2020_TAG) == ""
