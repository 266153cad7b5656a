"""The registry of columns and metrics: it alone spells their names, those of surrogate energies too."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from adit.columns import (
    COLUMNS,
    METRICS,
    Col,
    Metric,
    Protocol,
    bare_name,
    energies_name,
    flag,
    potential_of,
    stored_as,
)
from adit.hull.energy_tags import MP2020_TAG, surrogate_of

PACKAGE = Path(__file__).parents[2] / "src/adit"
ROOMS = sorted(
    path.name
    for path in PACKAGE.iterdir()
    if path.suffix in ("", ".py") and path.name[0] != "_" and path.name != "columns.py"
)
NAMES = COLUMNS | METRICS | {flag(metric, protocol) for metric in Metric for protocol in Protocol}

ELSEWHERE: dict[str, tuple[str, dict[str, int]]] = {
    # Not columns but other things of the same name: steps of the funnel, keys of the configuration, names of libraries.
    "code": (
        "kind of cell or field; attribute of an engine; key of the manifest",
        {
            "report/candidates/fields.py": 4,
            "report/run/manifest.py": 1,
            "report/words/cells.py": 1,
            "relax/dft/engines/registry.py": 1,
            "dossier/subjects.py": 1,
        },
    ),
    "composition": (
        "condition of sampling, type of a label, reason of the funnel",
        {
            "score/crystals/summary.py": 1,
            "api/model.py": 1,
            "cli/sample.py": 1,
            "sample/request.py": 3,
            "train/corpus.py": 3,
            "config/model.py": 3,
        },
    ),
    "density": ("a file of GPAW", {"relax/dft/engines/ase_maker.py": 2}),
    "dipole": ("ASE's name of a calculator's result", {"relax/molecules/gfn2.py": 3}),
    "energy": (
        "ASE's name of a calculator's result, GPAW's name of a tolerance, column of the ledger",
        {
            "relax/molecules/gfn2.py": 3,
            "relax/molecules/relaxation.py": 1,
            "relax/dft/engines/ase_maker.py": 1,
            "relax/dft/engines/gpaw_calculator.py": 3,
            "relax/dft/engines/xtb_calculator.py": 1,
            "ledger/add.py": 1,
        },
    ),
    "fmax": ("key of the configuration", {"relax/dft/engines/ase_maker.py": 1}),
    "formula": (
        "kind of cell or field, rule of a split, line of a dossier",
        {"report/candidates/fields.py": 2, "sample/request.py": 1, "config/data.py": 2, "dossier/build.py": 3},
    ),
    "inchikey": (
        "attribute of a molecule's names, name of a function",
        {"score/molecules/novelty.py": 1, "convert/__init__.py": 1},
    ),
    "known": (
        "verb, folder of a run, verdict",
        {
            "cli/dossier.py": 5,
            "cli/overview.py": 2,
            "report/words/next_steps.py": 1,
            "dossier/subjects.py": 2,
            "known/verdicts.py": 1,
        },
    ),
    "metastable": (
        "key of the protocol card, short name in the ledger, name of a filter",
        {
            "score/card.py": 1,
            "report/candidates/fields.py": 1,
            "report/candidates/gallery.py": 1,
            "ledger/gather.py": 2,
            "rounds/filters.py": 1,
        },
    ),
    "novel": (
        "step of the funnel, short name in the ledger, name of a filter",
        {
            "score/crystals/summary.py": 1,
            "score/molecules/summary.py": 1,
            "report/candidates/gallery.py": 1,
            "report/words/closing.py": 2,
            "report/words/outcome.py": 2,
            "ledger/gather.py": 2,
            "ledger/query.py": 1,
            "rounds/filters.py": 1,
        },
    ),
    "preset": (
        "key of the configuration",
        {
            "report/words/protocol.py": 1,
            "api/energies.py": 1,
            "cli/relax.py": 2,
            "relax/dft/engines/registry.py": 1,
            "config/stages.py": 2,
        },
    ),
    "rank": ("public function", {"api/__init__.py": 1}),
    "reason": (
        "class of a cell; key of provenance; attribute of an error",
        {"report/words/cells.py": 1, "hull/judged.py": 3, "relax/judge.py": 1, "data/sources/retries.py": 1},
    ),
    "relaxed": (
        "step of the funnel, name of a table, option or filter, folder of a run",
        {
            "score/crystals/summary.py": 1,
            "score/crystals/table.py": 1,
            "score/given.py": 3,
            "score/standalone.py": 1,
            "report/page/build.py": 1,
            "report/words/outcome.py": 4,
            "cli/dossier.py": 1,
            "cli/judge.py": 1,
            "cli/parsing.py": 2,
            "cli/relax.py": 6,
            "cli/score.py": 2,
            "dossier/subjects.py": 4,
            "ledger/add.py": 1,
            "ledger/export.py": 1,
            "ledger/gather.py": 1,
            "rounds/filters.py": 2,
        },
    ),
    "selected": ("option", {"cli/parsing.py": 2, "cli/relax.py": 1}),
    "smiles": ("attribute of a molecule's names", {"score/molecules/novelty.py": 1, "report/candidates/fields.py": 1}),
    "source": (
        "key of the configuration, of provenance, or of a record (published numbers, dataset, samples taken)",
        {
            "report/page/sections.py": 2,
            "report/paper/coverage.py": 1,
            "report/paper/headline.py": 1,
            "report/paper/tables.py": 9,
            "sample/take.py": 1,
            "config/rounds.py": 2,
            "config/stages.py": 1,
            "data/prepare/stage.py": 1,
            "data/prepare/statistics.py": 1,
            "dossier/build.py": 1,
            "readers/read.py": 1,
        },
    ),
    "spacegroup": (
        "condition of sampling, label of a fact",
        {
            "report/candidates/gallery.py": 1,
            "report/paper/distributions.py": 1,
            "api/model.py": 1,
            "cli/sample.py": 1,
            "sample/request.py": 1,
            "config/sample.py": 1,
        },
    ),
    "stable": (
        "step of the funnel, short name in the ledger, kind of sort in pandas and numpy",
        {
            "api/energies.py": 1,
            "score/card.py": 1,
            "score/crystals/summary.py": 1,
            "score/terminal.py": 1,
            "score/matching/fingerprints.py": 1,
            "report/candidates/data.py": 2,
            "report/candidates/gallery.py": 7,
            "report/words/closing.py": 2,
            "report/words/outcome.py": 2,
            "hull/verdicts.py": 1,
            "sample/reconstruct.py": 1,
            "dossier/neighbours.py": 1,
            "ledger/gather.py": 2,
        },
    ),
    "status": (
        "kind of field; verb of git; status of HTTP",
        {
            "report/candidates/fields.py": 7,
            "report/run/manifest.py": 1,
            "doctor/finding.py": 1,
            "data/sources/answers.py": 2,
            "ledger/export.py": 1,
        },
    ),
    "steps": (
        "key of the configuration, of a training's record and of a sample's provenance",
        {
            "report/compare/ablations.py": 2,
            "report/compare/tuning.py": 1,
            "report/page/sections.py": 2,
            "report/paper/coverage.py": 1,
            "report/paper/solver_figures.py": 5,
            "cli/sample.py": 1,
            "relax/dft/engines/ase_maker.py": 1,
            "relax/dft/job.py": 1,
            "relax/dft/restart.py": 3,
            "train/outputs.py": 1,
            "config/sample.py": 1,
            "ledger/gather.py": 1,
        },
    ),
    "surrogate": (
        "key of the manifest and the protocol card",
        {"score/card.py": 1, "report/run/manifest.py": 1, "report/words/outcome.py": 2},
    ),
    "unique": (
        "step of the funnel, short name in the ledger, name of a filter",
        {
            "score/crystals/summary.py": 1,
            "score/molecules/summary.py": 1,
            "report/words/closing.py": 2,
            "report/words/outcome.py": 2,
            "ledger/gather.py": 1,
            "rounds/filters.py": 1,
        },
    ),
    "validity": ("name of a figure's axis", {"report/paper/coverage.py": 1}),
}
"""Registered words that are no column where they stand: what they are, and how often they stand in which file."""

OTHERS = (
    *("relax/potentials", "hull/materials_project.py", "hull/mp_client.py", "hull/optimade_energies.py"),
    *("data/datasets", "readers/formats", "readers/table_checks.py"),
)
"""Where literals are fields of a stored dataclass, or keys of files and servers of others: no columns of ours."""


def files(room: str) -> list[Path]:
    """Return the Python files of a room, or the one of a module beside the rooms."""
    return sorted((PACKAGE / room).rglob("*.py")) or [PACKAGE / room]


def literals(path: Path) -> list[tuple[int, str]]:
    """Return the lines and texts of a file's strings that are registered names."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return [(n.lineno, n.value) for n in texts if n.value in NAMES]


@pytest.mark.parametrize("room", ROOMS)
def test_names_of_columns_are_spelled_in_the_registry_alone(room: str) -> None:
    spelled = []
    for path in files(room):
        name = str(path.relative_to(PACKAGE))
        if not name.startswith(OTHERS):
            counts = Counter(text for _, text in literals(path))
            spelled += [
                f"{name}: '{text}' {count} times"
                for text, count in counts.items()
                if count > ELSEWHERE.get(text, ("", {}))[1].get(name, 0)
            ]
    assert not spelled, "use adit.columns: " + ", ".join(spelled)


def test_exceptions_are_single_words_that_occur() -> None:
    for word, (meaning, files) in ELSEWHERE.items():
        assert meaning
        assert "_" not in word
        for name, count in files.items():
            assert sum(text == word for _, text in literals(PACKAGE / name)) == count, f"{name}: {word}"


@pytest.mark.parametrize("room", ROOMS)
def test_the_surrogates_prefix_is_spelled_in_the_registry_alone(room: str) -> None:
    for path in files(room):
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
    name = energies_name(Col.E_ABOVE_HULL, "chgnet")
    assert name == "chgnet_surrogate_e_above_hull"
    assert (potential_of(name), bare_name(name)) == ("chgnet", "e_above_hull")
    assert (potential_of("e_above_hull"), bare_name("e_above_hull")) == ("", "e_above_hull")
    assert energies_name(Col.E_ABOVE_HULL, "") == "e_above_hull"
    assert stored_as(Col.E_ABOVE_HULL, ["n_atoms", "other_surrogate_e_above_hull"]) == "other_surrogate_e_above_hull"
    assert stored_as(Col.E_ABOVE_HULL, ["chgnet_surrogate_formation_energy_per_atom"]) == "e_above_hull"


def test_any_registered_potential_can_be_a_surrogate(monkeypatch: pytest.MonkeyPatch) -> None:
    from adit import columns

    monkeypatch.setitem(columns.POTENTIALS, "other", "Other")
    assert surrogate_of("other-2/PBE(+U)/MP2020", MP2020_TAG) == "other"
    assert surrogate_of("chgnet-0.3.0/PBE(+U)/MP2020", MP2020_TAG) == "chgnet"
    assert surrogate_of(MP2020_TAG, MP2020_TAG) == ""
