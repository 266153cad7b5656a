"""Principal components of the latent space, by kind and by element. Source: Figs. 8 and 9."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from adit import store
from adit.columns import Col
from adit.elements import SYMBOLS
from adit.errors import DataError
from adit.report.figures.drawing import COLOURS, Drawing, new_figure, styled
from adit.report.run.inputs import Run

if TYPE_CHECKING:
    import pandas as pd

SYSTEMS: Final = 100
"""Systems of each dataset, from the validation split if it is large enough."""

ELEMENTS: Final = {"C": "grey", "N": "blue", "O": "vermilion", "F": "green"}
"""Elements that molecules and crystals have in common, and their colours."""

KIND_COLOURS: Final = {"crystal": "blue", "molecule": "orange", "mof": "green"}
"""Colour of each kind."""


def principal_components(run: Run) -> pd.DataFrame | None:
    """Return one row per atom: ``dataset``, ``kind``, ``system_id``, ``element``, ``pc1``, ``pc2``.

    The components are those of the posterior means of all rows; ``None`` if the run has no latents. The share of the
    variance that each component explains is in ``attrs["explained"]``.
    """
    import pandas as pd

    frames, values = [], []
    for stats in run.datasets:
        name = str(stats.get("dataset"))
        try:
            held = _atoms(run, name, str(stats.get("kind")))
        except DataError as error:
            run.problems.append(str(error).replace(f"{run.folder}/", ""))
            continue
        if held is not None:
            frames.append(held[0])
            values.append(held[1])
    if not values or len({block.shape[1] for block in values}) != 1:
        return None
    stacked = np.concatenate(values).astype(float)
    centred = stacked - stacked.mean(axis=0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes * np.where(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)] < 0, -1.0, 1.0)[:, None]
    places = centred @ axes[:2].T
    table = pd.concat(frames, ignore_index=True).assign(pc1=places[:, 0], pc2=places[:, 1])
    table.attrs["explained"] = [float(share) for share in (sizes**2 / (sizes**2).sum())[:2]]
    return table


def _atoms(run: Run, name: str, kind: str) -> tuple[pd.DataFrame, np.ndarray] | None:
    import pandas as pd

    path, systems = run.folder / f"latents/{name}-0.arrow", run.folder / f"data/{name}.arrow"
    if "/" in name or not path.is_file() or not systems.is_file():
        return None
    table = store.read_arrow(path)
    splits = np.array(table.column("split").to_pylist(), dtype=str)
    chosen = np.flatnonzero(splits == ("val" if (splits == "val").sum() >= SYSTEMS else "train"))
    chosen = chosen[np.linspace(0, len(chosen) - 1, min(SYSTEMS, len(chosen))).astype(int)] if len(chosen) else chosen
    atom_rows = store.read_systems(systems)
    places = {system_id: row for row, system_id in enumerate(atom_rows.ids)}
    rows, blocks = [], []
    for row in chosen:
        system_id = str(table.column(Col.SYSTEM_ID)[int(row)].as_py())
        if system_id not in places:
            raise DataError(f"{path}: holds latents of other data; run `adit encode` again")
        numbers = atom_rows[places[system_id]].numbers
        rows += [(name, kind, system_id, SYMBOLS[int(z)]) for z in numbers]
        values = np.asarray(table.column("mean")[int(row)].as_py(), dtype=float)
        blocks.append(values.reshape(len(numbers), -1))
    if not blocks:
        return None
    return pd.DataFrame(rows, columns=["dataset", "kind", Col.SYSTEM_ID, "element"]), np.concatenate(blocks)


@styled
def by_kind(data: pd.DataFrame) -> Drawing:
    """Draw each atom in the plane of the first two components, coloured by the kind of its system. Source: Fig. 8.

    Args:
        data: table of ``principal_components``.
    """
    groups = {kind: data[data["kind"] == kind] for kind in KIND_COLOURS if (data["kind"] == kind).any()}
    return _scatter("latents-by-kind", data, groups, KIND_COLOURS, "atoms of crystals and molecules")


@styled
def by_element(data: pd.DataFrame) -> Drawing:
    """Draw the atoms of C, N, O and F; dots are atoms of molecules, crosses those of crystals. Source: Fig. 9.

    Args:
        data: table of ``principal_components``.
    """
    held = data[data["element"].isin(ELEMENTS)]
    held.attrs.update(data.attrs)
    groups = {element: held[held["element"] == element] for element in ELEMENTS if (held["element"] == element).any()}
    return _scatter("latents-by-element", held, groups, ELEMENTS, "atoms of C, N, O and F")


def _scatter(
    name: str, data: pd.DataFrame, groups: dict[str, pd.DataFrame], colours: dict[str, str], what: str
) -> Drawing:
    figure, grid = new_figure(4.6, 3.9)
    axes = grid[0, 0]
    for label, part in groups.items():
        for periodic, marker in ((False, "o"), (True, "x" if "element" in name else "o")):
            rows = part[(part["kind"] != "molecule") == periodic]
            if rows.empty:
                continue
            colour = COLOURS[colours[label]]
            style = {"linewidths": 0.7} if marker == "x" else {"linewidths": 0}
            kind_label = f"{label}, {'periodic' if periodic else 'molecule'}" if "element" in name else label
            axes.scatter(
                rows["pc1"], rows["pc2"], s=11, marker=marker, color=colour, alpha=0.55, label=kind_label, **style
            )
    first, second = data.attrs["explained"]
    axes.set_xlabel(f"principal component 1 ({100 * first:.0f} %)")
    axes.set_ylabel(f"principal component 2 ({100 * second:.0f} %)")
    axes.legend(fontsize=7, markerscale=1.4)
    return Drawing(name, figure, data, f"First two principal components of the latents: {what}")
