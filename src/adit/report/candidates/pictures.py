"""Pictures of structures as SVG: balls and sticks, sorted by depth, with cell edges; and RDKit's drawings of bonds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from markupsafe import Markup, escape

from adit import convert
from adit.elements import colours, covalent_radii, symbol
from adit.errors import DataError
from adit.progress import log, quantity
from adit.systems import AtomicSystem, wrap

SIZE = 260.0
"""Side of a picture, px."""

BALL = 0.45
"""Radius of a ball over the covalent radius."""

BOND_SCALE = 1.2
"""Largest length of a stick over the sum of the covalent radii."""

MAX_SHIFTED = 4
"""Largest number of atoms of a crystal that is drawn with its heaviest atom on the corners of the cell."""

MAX_WITH_IMAGES = 300
"""Largest number of atoms of a cell that is drawn with the images on its faces."""


def ball_and_stick(system: AtomicSystem, name: str, size: float = SIZE) -> Markup:
    """Return the picture of a system.

    Args:
        system: crystal (drawn with its cell and with repeated atoms on its faces), molecule or MOF.
        name: prefix of the ids in the picture, unique on a page.
        size: side, px.
    """
    scene = _project(system, size)
    ident = re.sub(r"[^A-Za-z0-9-]", "-", name)
    items = [*_edges(scene), *_sticks(scene), *_balls(scene, ident)]
    body = "".join(svg for _, svg in sorted(items, key=lambda item: item[0]))
    defs = "".join(_gradient(ident, int(z)) for z in sorted(set(scene.numbers.tolist())))
    label = escape(f"{quantity(len(system), 'atom')} of {system.system_id}")
    return Markup(
        f'<svg class="structure" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size:g} {size:g}" role="img" '
        f'aria-label="{label}"><defs>{defs}</defs>{body}</svg>'
    )


@dataclass(frozen=True)
class _Scene:
    """Projected atoms: ``xy`` (n, 2) and ``depth`` (n,) in px, ``corners`` (8, 3) of the cell or ``None``."""

    numbers: np.ndarray
    points: np.ndarray
    xy: np.ndarray
    depth: np.ndarray
    corners: np.ndarray | None
    scale: float


def _project(system: AtomicSystem, size: float) -> _Scene:
    numbers, points = _shown_atoms(system)
    corners = None if system.cell is None else np.array(list(product((0, 1), repeat=3)), dtype=float) @ system.cell
    turn = _view(points) if corners is None else _tilt(12.0, -24.0)
    turned = points @ turn.T
    box = turned if corners is None else np.concatenate([turned, corners @ turn.T])
    pad = BALL * float(covalent_radii()[numbers].max()) + 0.1
    low, high = box[:, :2].min(axis=0) - pad, box[:, :2].max(axis=0) + pad
    scale = size / max(float((high - low).max()), 3.0)
    middle = (low + high) / 2

    def pixels(rows: np.ndarray) -> np.ndarray:
        flat = (rows[:, :2] - middle) * scale * (1, -1) + size / 2
        return np.concatenate([flat, rows[:, 2:] * scale], axis=1)

    seen = pixels(turned)
    outline = None if corners is None else pixels(corners @ turn.T)
    return _Scene(numbers, points, seen[:, :2], seen[:, 2], outline, scale)


def _shown_atoms(system: AtomicSystem) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers and positions with atoms wrapped into the cell, and those on its faces repeated."""
    if system.cell is None:
        return system.numbers, system.positions
    fractional = system.fractional
    if len(system) <= MAX_SHIFTED:
        fractional = wrap(fractional - fractional[system.numbers.argmax()])
    fractional = np.where(fractional > 0.97, fractional - 1.0, fractional)
    if len(system) > MAX_WITH_IMAGES:
        return system.numbers, fractional @ system.cell
    numbers, rows = [], []
    for z, row in zip(system.numbers, fractional, strict=True):
        near = [(0, 1) if value < 0.03 else (0,) for value in row]
        for shift in product(*near):
            numbers.append(z)
            rows.append(row + shift)
    return np.array(numbers), np.array(rows) @ system.cell


def _tilt(up: float, right: float) -> np.ndarray:
    """Return the rotation with a to the right and c up, seen from slightly above and aside (angles in degrees)."""
    a, b = np.radians([up, right])
    base = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    return np.asarray(about_x @ about_y @ base)


def _view(points: np.ndarray) -> np.ndarray:
    """Return the rotation with a molecule's largest spread horizontal and its smallest towards the viewer."""
    _, _, axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=True)
    axes = axes * np.where(axes[np.arange(3), np.abs(axes).argmax(axis=1)] < 0, -1.0, 1.0)[:, None]
    axes[2] *= np.sign(np.linalg.det(axes))
    a, b = np.radians([18.0, 22.0])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    return np.asarray(about_x @ about_y @ axes)


def _edges(scene: _Scene) -> list[tuple[float, str]]:
    if scene.corners is None:
        return []
    ends = [(i, i | bit) for i in range(8) for bit in (1, 2, 4) if not i & bit]
    return [(-1e9, _line(scene.corners[i], scene.corners[j], "currentColor", 1.0, 0.45)) for i, j in ends]


def bonds(numbers: np.ndarray, points: np.ndarray) -> list[tuple[int, int]]:
    """Return the pairs of atoms that are connected by a stick.

    Args:
        numbers: (n,) atomic numbers.
        points: (n, 3) Å.
    """
    from scipy.spatial import cKDTree

    radii = covalent_radii()[numbers]
    pairs = cKDTree(points).query_pairs(2 * BOND_SCALE * float(radii.max()), output_type="ndarray")
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    one, other = pairs[:, 0], pairs[:, 1]
    distance = np.linalg.norm(points[one] - points[other], axis=1)
    close = (distance < BOND_SCALE * (radii[one] + radii[other])) & (distance > 0.1)
    return [(int(i), int(j)) for i, j in pairs[close]]


def _sticks(scene: _Scene) -> list[tuple[float, str]]:
    """Return two halves per bond, each in its atom's colour, starting at the ball's surface."""
    items = []
    width = max(2.0, min(0.2 * scene.scale, 8.0))
    for i, j in bonds(scene.numbers, scene.points):
        for near, far in ((i, j), (j, i)):
            start, end = scene.xy[near], (scene.xy[near] + scene.xy[far]) / 2
            depth = (3 * scene.depth[near] + scene.depth[far]) / 4 - 1e-3
            items.append((float(depth), _line(start, end, css_colour(int(scene.numbers[near]), 0.82), width, 1.0)))
    return items


def _line(start: np.ndarray, end: np.ndarray, colour: str, width: float, opacity: float) -> str:
    return (
        f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" stroke="{colour}" '
        f'stroke-width="{width:.1f}" stroke-opacity="{opacity:g}"/>'
    )


def _balls(scene: _Scene, ident: str) -> list[tuple[float, str]]:
    radii = BALL * covalent_radii()[scene.numbers] * scene.scale
    return [
        (
            float(depth),
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}" fill="url(#{ident}-{symbol(int(z))})" stroke="#222" '
            f'stroke-width="0.7"><title>{symbol(int(z))}</title></circle>',
        )
        for z, (x, y), depth, r in zip(scene.numbers, scene.xy, scene.depth, radii, strict=True)
    ]


def css_colour(number: int, shade: float = 1.0) -> str:
    """Return the CSS colour of an element.

    Args:
        number: atomic number.
        shade: 0 to 1: darker; 1 to 2: lighter.
    """
    table = colours()
    rgb = table[number] if number < len(table) else (0.6, 0.6, 0.6)
    mixed = [c * shade if shade <= 1 else c + (1 - c) * (shade - 1) for c in rgb]
    return "#" + "".join(f"{round(255 * c):02x}" for c in mixed)


def _gradient(ident: str, number: int) -> str:
    stops = ((0, 1.75), (55, 1.0), (100, 0.62))
    inner = "".join(f'<stop offset="{at}%" stop-color="{css_colour(number, shade)}"/>' for at, shade in stops)
    return f'<radialGradient id="{ident}-{symbol(number)}" cx="38%" cy="34%" r="70%">{inner}</radialGradient>'


def legend(system: AtomicSystem) -> list[tuple[str, str]]:
    """Return symbol and CSS colour of each element of a system."""
    return [(symbol(int(z)), css_colour(int(z), 1.0)) for z in sorted(set(system.numbers.tolist()))]


@cache
def _say_once(text: str) -> None:
    log.warning("%s", text)


def bond_drawing(system: AtomicSystem, size: int = int(SIZE)) -> Markup | None:
    """Return RDKit's drawing of a molecule's bonds, without hydrogens; ``None`` if it has none.

    Also ``None`` if RDKit's drawing code cannot be loaded: it needs libraries of X11, which a server may lack.

    Args:
        system: a molecule.
        size: side of the picture, px.
    """
    from rdkit import Chem

    try:
        from rdkit.Chem.Draw import rdMolDraw2D
    except ImportError as error:
        _say_once(f"no drawings of bonds: {error}; on Debian and Ubuntu: apt-get install libxrender1 libxext6")
        return None
    try:
        mol = Chem.RemoveHs(convert.to_rdkit(system))
    except (DataError, ValueError, RuntimeError):  # RDKit's own errors derive from these
        return None
    mol.RemoveAllConformers()
    drawer = rdMolDraw2D.MolDraw2DSVG(size, size)
    options: Any = drawer.drawOptions()
    options.clearBackground = False
    options.fixedBondLength = 32
    options.updateAtomPalette({6: (0, 0, 0), 7: (0.15, 0.4, 0.85), 8: (0.83, 0.2, 0.15), 9: (0.0, 0.55, 0.35)})
    drawer.DrawMolecule(mol)
    drawer.FinishDrawing()
    svg = drawer.GetDrawingText()
    svg = re.sub(r"<!--.*?-->", "", svg[svg.index("<svg") :], flags=re.DOTALL).replace("#000000", "currentColor")
    svg = re.sub(r" (width|height)='\d+px'", "", svg)
    return Markup(svg.replace("<svg", '<svg class="structure" role="img" aria-label="bonds"', 1))
