"""Energies above the convex hull of reference entries, and which energies may meet on it.

Reads:  relaxed/<kind>/<shard>.parquet with the .arrow beside it, hull/reference.parquet
Writes: hull/hull.parquet
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, combinations
from pathlib import Path
from typing import Any, Final

import numpy as np

from adit import store
from adit.config import HullStage
from adit.elements import composition
from adit.errors import DataError
from adit.progress import Progress, log
from adit.systems import AtomicSystem

MP2020_TAG: Final = "vasp/PBE(+U)/MP2020"
"""The one tag of a hull on which CHGNet's energies are allowed, as a labelled surrogate."""

MAX_QHULL_ELEMENTS: Final = 6
"""Up to here the hull is pymatgen's ``PhaseDiagram``; Qhull's cost explodes with the dimension, so beyond it the same
lower envelope comes from a linear programme at the one composition asked for."""

_NO_ENERGY: Final = ("failed", "timeout", "refused")


@dataclass(frozen=True)
class Entry:
    """One reference entry.

    Attributes:
        counts: amounts per element.
        energy_per_atom: eV/atom, absolute.
    """

    counts: Mapping[str, float]
    energy_per_atom: float

    @property
    def elements(self) -> frozenset[str]:
        """Return the elements."""
        return frozenset(self.counts)

    def fractions(self, elements: Iterable[str]) -> list[float]:
        """Return the atomic fractions in the order of ``elements``."""
        total = sum(self.counts.values())
        return [self.counts.get(element, 0.0) / total for element in elements]


@dataclass
class Hull:
    """The reference entries of one energy tag, indexed by chemical system.

    Attributes:
        tag: energy tag of all entries.
        entries: entries by their set of elements.
        elements: lowest energy of each element that has a reference, eV/atom.
    """

    tag: str
    entries: dict[frozenset[str], list[Entry]]
    elements: dict[str, float]
    _diagrams: dict[frozenset[str], Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_entries(cls, tag: str, entries: Iterable[Entry]) -> Hull:
        """Index entries."""
        index: dict[frozenset[str], list[Entry]] = {}
        for entry in entries:
            index.setdefault(entry.elements, []).append(entry)
        lone = {key: found for key, found in index.items() if len(key) == 1}
        elements = {next(iter(key)): min(entry.energy_per_atom for entry in found) for key, found in lone.items()}
        return cls(tag, index, elements)

    def within(self, elements: frozenset[str]) -> list[Entry]:
        """Return the entries of a chemical system and of everything inside it."""
        if 2 ** len(elements) > len(self.entries):
            return [entry for key, entries in self.entries.items() if key <= elements for entry in entries]
        subsets = chain.from_iterable(combinations(sorted(elements), n) for n in range(1, len(elements) + 1))
        return [entry for subset in subsets for entry in self.entries.get(frozenset(subset), ())]

    def energy_at(self, counts: Mapping[str, float]) -> float:
        """Return the energy of the hull at a composition, eV/atom.

        Raises:
            DataError: an element has no reference entry.
        """
        missing = sorted(element for element in counts if element not in self.elements)
        if missing:
            raise DataError(f"no reference energy of element {', '.join(missing)}")
        elements = frozenset(counts)
        if len(elements) > MAX_QHULL_ELEMENTS:
            return lower_envelope(self.within(elements), counts)
        from pymatgen.core import Composition

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # noble gases have no electronegativity, which only orders formulas
            return float(self._diagram(elements).get_hull_energy_per_atom(Composition(counts)))

    def _diagram(self, elements: frozenset[str]) -> Any:
        if elements not in self._diagrams:
            from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
            from pymatgen.core import Composition

            self._diagrams[elements] = PhaseDiagram(
                [
                    PDEntry(Composition(e.counts), e.energy_per_atom * sum(e.counts.values()))
                    for e in self.within(elements)
                ]
            )
        return self._diagrams[elements]


def lower_envelope(entries: list[Entry], counts: Mapping[str, float]) -> float:
    """Return the least energy per atom (eV/atom) of any mixture of ``entries`` with the given composition.

    Raises:
        DataError: no mixture has this composition.
    """
    from scipy.optimize import linprog

    elements = sorted(counts)
    target = Entry(counts, 0.0).fractions(elements)
    result = linprog(
        [entry.energy_per_atom for entry in entries],
        A_eq=np.array([entry.fractions(elements) for entry in entries]).T,
        b_eq=target,
        bounds=(0, None),
        method="highs",
    )
    if not result.success:
        raise DataError(f"no hull at this composition ({result.message})")
    return float(result.fun)


def is_surrogate(energy_tag: str, hull_tag: str) -> bool:
    """Return whether energies on a hull are a labelled surrogate (``True``) or of the hull's own method (``False``).

    Raises:
        DataError: energies of these two methods do not meet on one hull.
    """
    if energy_tag == hull_tag:
        return False
    code, _, rest = energy_tag.partition("/")
    if code.startswith("chgnet-") and f"vasp/{rest}" == hull_tag == MP2020_TAG:
        return True
    raise DataError(
        f"energies tagged '{energy_tag}' cannot be compared with a hull tagged '{hull_tag}'; "
        f"recompute the references with the same method (hull.reference: builtin)"
    )


def read_reference(path: Path) -> Hull:
    """Read the reference entries; rows that failed are left out.

    Raises:
        DataError: there is no usable entry, or entries of different tags.
    """
    frame = store.read_frame(path)
    bad = frame["status"].isin(_NO_ENERGY) | ~np.isfinite(frame["energy_per_atom"].astype(float))
    frame = frame[~bad]
    tags = sorted(set(frame["hull_tag"]))
    if not tags:
        raise DataError(f"{path}: has no usable reference entry; run `adit reference` again and see its log")
    if len(tags) > 1:
        raise DataError(f"{path}: entries tagged '{tags[0]}' and '{tags[1]}' cannot be on one hull; use one method")
    log.info("hull of %d entries (%d unusable), %s", len(frame), int(bad.sum()), tags[0])
    rows = zip(frame["composition"], frame["energy_per_atom"], strict=True)
    return Hull.from_entries(tags[0], (Entry(json.loads(text), float(energy)) for text, energy in rows))


def hull(stage: HullStage, relaxed: list[Path], reference: Path, out: Path) -> None:
    """Compute energies above the hull for relaxed samples and write ``hull.parquet``.

    The hull is that of the reference entries alone: no sample is part of it, and an energy may be below it (negative).

    Args:
        stage: slice of the configuration.
        relaxed: ``relaxed/<kind>/<shard>.parquet``; the ``.arrow`` beside each holds the structures.
        reference: ``hull/reference.parquet``.
        out: the table, one row a relaxed sample: system_id, e_above_hull and formation_energy_per_atom (eV/atom, NaN if
            unknown), energy_tag, hull_tag, surrogate, reason.

    Raises:
        DataError: a file is missing, or energies of different methods would meet.
    """
    import pandas as pd

    references = read_reference(reference)
    tables = [(path, store.read_frame(path)) for path in relaxed]
    progress = Progress("structures placed on the hull", sum(len(table) for _, table in tables))
    rows: list[dict[str, Any]] = []
    for path, table in tables:
        structures = {row.system_id: row for row in store.read_systems(path.with_suffix(".arrow"))}
        for record in table.to_dict("records"):
            rows.append(_place(record, structures.get(record["system_id"]), references))
            progress.update()
    frame = pd.DataFrame(rows, columns=list(_empty("", "", "", False)))
    metadata = {"reference": stage.hull.reference, "hull_tag": references.tag, "rows": len(frame)}
    store.write_frame(out, frame.astype({"surrogate": bool}), metadata)
    known = int(frame["e_above_hull"].notna().sum())
    log.info("%d of %d relaxed samples have an energy above the hull", known, len(frame))


def _empty(system_id: str, energy_tag: str, hull_tag: str, surrogate: bool) -> dict[str, Any]:
    return {
        "system_id": system_id,
        "e_above_hull": math.nan,
        "formation_energy_per_atom": math.nan,
        "energy_tag": energy_tag,
        "hull_tag": hull_tag,
        "surrogate": surrogate,
        "reason": "",
    }


def _place(record: Mapping[str, Any], structure: Any, references: Hull) -> dict[str, Any]:
    """Return the row of one relaxed sample; tags that do not fit end the run, whatever else goes wrong is a reason."""
    energy = float(record["energy_per_atom"]) if record["energy_per_atom"] is not None else math.nan
    if record["status"] in _NO_ENERGY or not math.isfinite(energy):
        why = str(record["reason"] or "no energy")
        return {**_empty(record["system_id"], str(record["energy_tag"] or ""), references.tag, False), "reason": why}
    surrogate = is_surrogate(str(record["energy_tag"]), references.tag)
    row = _empty(record["system_id"], str(record["energy_tag"]), references.tag, surrogate)
    if not isinstance(structure, AtomicSystem):
        return {**row, "reason": "relaxed structure is missing"}
    counts = {element: float(count) for element, count in composition(structure.numbers).items()}
    try:
        row["e_above_hull"] = energy - references.energy_at(counts)
    except Exception as error:  # noqa: BLE001 - Qhull and pymatgen raise classes of their own; one row, one reason
        return {**row, "reason": " ".join(str(error).split())[:300]}
    of_elements = sum(n * references.elements[element] for element, n in counts.items()) / len(structure)
    row["formation_energy_per_atom"] = energy - of_elements
    return row
