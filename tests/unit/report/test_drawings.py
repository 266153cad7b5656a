"""Figures and pictures: deterministic, with their numbers beside them, and right in geometry."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adit.elements import hill
from adit.report.candidates.pictures import ball_and_stick, bond_drawing, bonds
from adit.report.figures import charts as figures
from adit.report.figures.drawing import INK, save_drawing
from adit.report.figures.periodic import periodic_table, place
from adit.report.paper import convergence, distributions, latents, solver_figures
from adit.report.words import formats
from adit.systems import AtomicSystem, Kind

STEPS = [{"step": "asked", "count": 10}, {"step": "valid $x$", "count": 4}]
METRICS = pd.DataFrame({"step": [0, 0, 9, 9], "split": ["train", "val"] * 2, "loss": [2.0, 2.1, 0.3, 0.4], "kl": 0.1})
RATES = [
    {"protocol": "adit", "metric": "validity", "population": p, "value": v, "low": 0.1, "high": 0.9}
    for p, v in (("samples", 0.5), ("train", 0.8), ("random", None))
]
FLAGS = pd.DataFrame({"overall_validity": [True, False, True, True] * 20, "sun_adit": [False, True] * 40})
POINTS = pd.DataFrame(
    [
        {"solver": s, "grid": "uniform", "steps": t, "guidance": g, "validity": 0.1 * g, "seconds_per_sample": t / 100}
        for s in ("euler", "heun")
        for t in (10, 50)
        for g in (1.0, 2.0)
    ]
)
ATOMS = pd.DataFrame(
    {"kind": ["crystal", "molecule"] * 4, "element": list("CCNNOOFF"), "pc1": range(8), "pc2": range(8)}
)
ATOMS.attrs["explained"] = [0.5, 0.25]
MANY_GROUPS = dict.fromkeys(range(1, 60), 2)
DRAWINGS = {
    "funnel": lambda: figures.funnel_bars("crystal", STEPS),
    "rates": lambda: figures.rates("crystal", RATES),
    "loss": lambda: figures.loss_curves("vae", METRICS),
    "sizes": lambda: figures.size_histogram("a b/c", {"2": 3, "10": 1}),
    "energies": lambda: distributions.energies("e_above_hull", {"samples": [-0.2, 7.0], "train": [0.0]}, "CHGNet"),
    "n-ary": lambda: distributions.n_ary({"samples": [1, 2, 9], "train": [3]}),
    "spacegroups": lambda: distributions.spacegroups(
        {"samples": {1: 3, 0: 1}, "train": dict.fromkeys(range(1, 60), 2)}
    ),
    "convergence": lambda: convergence.convergence("crystal", convergence.running_rates("crystal", FLAGS)),
    "solver grid": lambda: solver_figures.solver_grid("crystal", POINTS),
    "speed": lambda: solver_figures.speed("crystal", POINTS),
    "latents": lambda: latents.by_kind(ATOMS),
    "latents of elements": lambda: latents.by_element(ATOMS),
    "elements": lambda: periodic_table("x", {"H": 3, "U": 1, "nonsense": 4}),
}


def methane() -> AtomicSystem:
    a = 0.629
    positions = np.array([[0, 0, 0], [a, a, a], [-a, -a, a], [-a, a, -a], [a, -a, -a]])
    return AtomicSystem("molecule", Kind.MOLECULE, np.array([6, 1, 1, 1, 1]), positions)


@pytest.mark.parametrize("name", DRAWINGS)
def test_figures_are_deterministic_and_keep_their_data(tmp_path: Path, name: str) -> None:
    drawing = DRAWINGS[name]()
    first, second = save_drawing(drawing, tmp_path), save_drawing(DRAWINGS[name](), tmp_path)
    assert first == second
    assert ElementTree.fromstring(str(first)).attrib["aria-label"] == drawing.text
    assert INK not in first
    assert (tmp_path / f"{drawing.name}.svg").is_file()
    assert len(pd.read_csv(tmp_path / f"{drawing.name}.csv")) == len(drawing.data)
    assert (tmp_path / f"{drawing.name}.pdf").read_bytes().startswith(b"%PDF")


def test_energies_beyond_the_axis_are_said() -> None:
    drawing = distributions.energies("e_above_hull", {"samples": [0.0, 7.0]}, "CHGNet")
    assert "1 beyond" in drawing.figure.axes[0].get_xlabel()


def test_every_element_has_a_place_of_its_own() -> None:
    places = [place(number) for number in range(1, 119)]
    assert len(set(places)) == 118
    positions = {
        1: (1, 1),
        2: (18, 1),
        5: (13, 2),
        26: (8, 4),
        57: (3, 9),
        71: (17, 9),
        72: (4, 6),
        92: (6, 10),
        118: (18, 7),
    }
    assert {number: place(number) for number in positions} == positions


def test_bonds_of_methane() -> None:
    system = methane()
    assert bonds(system.numbers, system.positions) == [(0, 1), (0, 2), (0, 3), (0, 4)]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3))
def test_picture_does_not_depend_on_where_a_molecule_is(shift: list[float]) -> None:
    system = methane()
    moved = AtomicSystem(system.system_id, system.kind, system.numbers, system.positions + np.round(shift, 2))
    radii = [sorted(re.findall(r'r="([\d.]+)"', ball_and_stick(s, "p"))) for s in (system, moved)]
    assert radii[0] == radii[1]


def cube(*fractional: tuple[float, float, float]) -> AtomicSystem:
    numbers = np.array([84, *[1] * (len(fractional) - 1)])
    return AtomicSystem("c", Kind.CRYSTAL, numbers, 9.0 * np.array(fractional), 9.0 * np.eye(3))


def test_atoms_on_the_faces_of_a_cell_are_repeated() -> None:
    inside = [(0.1, 0.2, 0.3), (0.5, 0.5, 0.5), (0.6, 0.2, 0.9), (0.3, 0.8, 0.4)]
    for first, circles in (((0.7, 0.7, 0.7), 5), ((0.0, 0.7, 0.7), 6), ((0.999, 0, 0.7), 8), ((0, 0, 0), 12)):
        assert ball_and_stick(cube(first, *inside), "p").count("<circle") == circles
    assert ball_and_stick(cube(*inside), "p").count("<circle") >= 8, "few atoms: the heaviest on the corners"
    assert ball_and_stick(cube((0.5, 0.5, 0.5)), "p").count("<line") == 12, "edges of the cell"


def test_pictures_stay_inside_their_frame() -> None:
    skewed = np.array([[9.0, 0, 0], [4, 2, 0], [1, 1, 14]])
    system = AtomicSystem("c", Kind.CRYSTAL, np.array([55, 9]), np.array([[0, 0, 0], [3.0, 1, 6]]), skewed)
    svg = ElementTree.fromstring(str(ball_and_stick(system, "p", size=200)))
    for circle in svg.iter("{http://www.w3.org/2000/svg}circle"):
        x, y, r = (float(circle.attrib[key]) for key in ("cx", "cy", "r"))
        assert -1 <= x - r <= x + r <= 201
        assert -1 <= y - r <= y + r <= 201


def test_bond_drawing_needs_a_bonding() -> None:
    drawing = bond_drawing(methane())
    assert drawing is not None
    assert ElementTree.fromstring(str(drawing)).attrib["viewBox"] == "0 0 260 260"
    crowded = np.vstack([np.zeros((1, 3)), 1.05 * np.vstack([np.eye(3), -np.eye(3)])])
    assert bond_drawing(AtomicSystem("x", Kind.MOLECULE, np.array([6, 1, 1, 1, 1, 1, 1]), crowded)) is None


@pytest.mark.parametrize(
    ("text", "shown"), [("Fe2O3", "Fe<sub>2</sub>O<sub>3</sub>"), ("<b>2", "&lt;b&gt;2"), ("", "—"), (None, "—")]
)
def test_formula(text: str | None, shown: str) -> None:
    assert str(formats.formula(text)) == shown


def test_formulas_as_people_write_them() -> None:
    assert formats.chemical("ClNa") == "NaCl"
    assert formats.chemical("<i>") == "<i>"
    assert hill({"H": 6, "O": 1, "C": 2}) == "C2H6O"
    assert hill({"O": 1, "H": 2}) == "H2O"


def test_numbers_as_people_write_them() -> None:
    assert formats.number(-1234.5, 1) == "−1\u202f234.5"
    assert formats.number(float("nan")) == formats.number(None) == "—"
    assert formats.percent(0.125) == "12.5"
    assert formats.metric("chgnet_surrogate_sun") == "S.U.N. (CHGNet surrogate)"


def test_without_rdkit_s_drawing_libraries_there_is_no_drawing_and_the_page_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "rdkit.Chem.Draw", None)  # import fails, as without libXrender
    assert bond_drawing(methane()) is None
