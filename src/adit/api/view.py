"""3D views of structures for notebooks, in a frame of their own that needs no network."""

from __future__ import annotations

import html
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from adit import convert
from adit.elements import composition, hill, reduced_formula
from adit.report.page.assets import read_asset
from adit.report.words.formats import chemical
from adit.systems import AtomicSystem, Kind

HEIGHT: Final = 260
"""Height of a view, CSS pixels."""

FACE: Final = 0.01
"""Atoms within this fractional distance of a face of the cell lie on it."""

_STYLE: Final = """
body { margin: 0; font: 13px sans-serif; color: #333; background: #fff; display: flex; flex-wrap: wrap; gap: 8px; }
figure { margin: 0; flex: 0 0 calc(25% - 8px); }
div { position: relative; height: 220px; }
figcaption { text-align: center; }
"""

_SCRIPT: Final = """
for (const { text, edges, title } of STRUCTURES) {
  const figure = document.createElement("figure"), host = document.createElement("div");
  const caption = document.createElement("figcaption");
  caption.textContent = title;
  figure.append(host, caption);
  document.body.append(figure);
  const view = $3Dmol.createViewer(host, { backgroundColor: "white", antialias: true });
  view.addModel(text, "xyz");
  view.setStyle({}, { stick: { radius: 0.12, colorscheme: "Jmol" }, sphere: { scale: 0.28, colorscheme: "Jmol" } });
  for (const [start, end] of edges) view.addLine({ start, end, color: "gray" });
  view.zoomTo();
  view.zoom(0.9);
  if (edges.length) { view.rotate(-75, "x"); view.rotate(-20, "y"); }
  view.render();
}
"""


@dataclass(frozen=True)
class View:
    """Structures that a notebook shows in 3D: drag to rotate, scroll to zoom.

    Attributes:
        systems: the structures.
    """

    systems: Sequence[AtomicSystem]

    def _repr_html_(self) -> str:
        """Return the frame; ids and formulas are text in it, whatever they contain."""
        if not self.systems:
            return "<p>no structures</p>"
        structures = json.dumps([_described(system) for system in self.systems]).replace("<", "\\u003c")
        scripts = (read_asset("assets/3Dmol-min.js"), f"const STRUCTURES = {structures};\n{_SCRIPT}")
        page = f"<!doctype html><style>{_STYLE}</style><body>" + "".join(
            f"<script>{script}</script>" for script in scripts
        )
        rows = -(-len(self.systems) // 4)
        return (
            f'<iframe sandbox="allow-scripts" srcdoc="{html.escape(page)}" '
            f'style="width: 100%; height: {HEIGHT * max(1, rows)}px; border: 0"></iframe>'
        )


def _described(system: AtomicSystem) -> dict[str, Any]:
    periodic = system.cell is not None
    formula = chemical(reduced_formula(system.numbers)) if periodic else hill(composition(system.numbers))
    title, shown = f"{formula} · {system.system_id}", _with_faces(system) if periodic else system
    edges = [] if system.cell is None else [(_point(a), _point(b)) for a, b in _edges(system.cell)]
    return {"text": convert.to_xyz(shown), "edges": edges, "title": title}


def _with_faces(system: AtomicSystem) -> AtomicSystem:
    """Return the atoms of the cell as a cluster; an atom on a face, an edge or a corner is there on all sides."""
    cell = np.asarray(system.cell)
    inside = np.mod(np.round(system.positions @ np.linalg.inv(cell), 6), 1.0)
    numbers, points = [], []
    for number, place in zip(system.numbers, inside, strict=True):
        for shift in itertools.product(*map(_shifts, place)):
            numbers.append(number)
            points.append((place + shift) @ cell)
    return AtomicSystem(system.system_id, Kind.MOLECULE, np.array(numbers), np.array(points))


def _shifts(x: float) -> tuple[float, ...]:
    """Return the cells in which an atom at the fractional coordinate ``x`` is drawn: on a face, also the next one."""
    return (0.0, 1.0) if x < FACE else (0.0, -1.0) if x > 1.0 - FACE else (0.0,)


def _edges(cell: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the ends (3,) of the twelve edges of a cell (3, 3), Å."""
    for axis in range(3):
        one, other = (cell[k] for k in range(3) if k != axis)
        for start in (0 * one, one, other, one + other):
            yield start, start + cell[axis]


def _point(place: np.ndarray) -> dict[str, float]:
    return {name: round(float(x), 4) for name, x in zip("xyz", place, strict=True)}
