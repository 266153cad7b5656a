"""Reference entries of the Materials Project: MP20's formation energies, its phase diagram, a user's own entries.

All are PBE(+U) with the MP2020 corrections. A pickle is code: the published phase diagram is loaded only if it has the
published checksum.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import pickle
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from adit import store
from adit.convert import structure_of_dict
from adit.errors import DataError, why_no_file
from adit.hull.energy_tags import MP2020_TAG
from adit.hull.reference_rows import reference_row
from adit.limits import LIMITS, read_bounded
from adit.progress import log
from adit.relax.dft.engines.corrections import corrected_entries

FORMATION_ENERGIES: Final = "hull/mp20_formation_energies.parquet"
"""Name of the file of MP20's formation energies in a mirror."""
ELEMENTS: Final = "hull/mp_elemental_reference_entries.json"
"""Name of the file of elemental reference entries in a mirror."""
PUBLISHED_ELEMENTS: Final = "mp-elemental-references"
"""Name of the elemental reference entries among the public files."""
PHASE_DIAGRAM: Final = "mp-phase-diagram"
"""Name of the phase diagram among the public files."""
PHASE_DIAGRAM_MD5: Final = "60d19d691fa1d338aa496a40a9641bef"
"""MD5 checksum of 2023-02-07-ppd-mp.pkl.gz, https://figshare.com/files/48241624 (Matbench Discovery, CC-BY-4.0)."""

LEAST_CORRECTED: Final = 0.99
"""Smallest fraction of a user's entries that MP2020 must correct."""

Rows = list[dict[str, object]]
"""Rows of a table of reference entries, see ``reference_rows``."""
Find = Callable[[str], Path]
"""Returns the local path of a public file by its name."""


def formation_energies(find: Find) -> Rows:
    """Return the energies of MP20's crystals on the absolute scale of the elemental references, and these references.

    E = E_f + Σ xᵢ·E(elemental entry i), all in eV/atom. A crystal with an element without reference is a failed row.

    Args:
        find: returns the local path of a public file.

    Raises:
        DataError: a file is missing or broken.
    """
    elements = elemental_energies(find(ELEMENTS))
    rows = [reference_row(f"element-{name}", name, {name: 1}, e, MP2020_TAG) for name, e in sorted(elements.items())]
    table = store.read_frame(find(FORMATION_ENERGIES))
    for entry_id, formula, energy in zip(
        table["material_id"], table["pretty_formula"], table["formation_energy_per_atom"], strict=True
    ):
        rows.append(_on_absolute_scale(str(entry_id), str(formula), float(energy), elements))
    return rows


def _on_absolute_scale(
    entry_id: str, formula: str, formation_energy: float, elements: Mapping[str, float]
) -> dict[str, object]:
    from pymatgen.core import Composition

    amounts = {element.symbol: float(amount) for element, amount in Composition(formula).items()}
    unknown = [name for name in amounts if name not in elements]
    if unknown:
        reason = f"no elemental reference for {', '.join(unknown)}"
        return reference_row(entry_id, formula, amounts, float("nan"), MP2020_TAG, status="failed", reason=reason)
    of_elements = sum(x * elements[name] for name, x in amounts.items()) / sum(amounts.values())
    return reference_row(entry_id, formula, amounts, formation_energy + of_elements, MP2020_TAG)


def elemental_references(find: Find) -> dict[str, float]:
    """Return the energy of each element's reference, eV/atom, from the mirror's file or the published one.

    Raises:
        DataError: neither can be read.
    """
    try:
        return elemental_energies(find(ELEMENTS))
    except DataError:
        return elemental_energies(find(PUBLISHED_ELEMENTS))


def elemental_energies(path: Path) -> dict[str, float]:
    """Return element → corrected energy of its reference (eV/atom) from a JSON file of pymatgen entries.

    Raises:
        DataError: the file is missing, or is not of this kind.
    """
    entries = _unpacked(path) if path.suffix == ".gz" else store.read_json(path)
    try:
        return {
            name: (entry["energy"] + entry["correction"]) / sum(entry["composition"].values())
            for name, entry in entries.items()
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: is not a file of elemental reference entries ({error!r})") from error


def phase_diagram(find: Find, md5: str = PHASE_DIAGRAM_MD5) -> Rows:
    """Return the lowest entry (eV/atom) of each composition in the published phase diagram of the Materials Project.

    Args:
        find: returns the local path of a public file.
        md5: checksum that the file must have; only then is it opened.

    Raises:
        DataError: the file has another checksum, does not load with the installed pymatgen, or holds no phase diagram.
    """
    path = find(PHASE_DIAGRAM)
    digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    if digest != md5:
        raise DataError(
            f"{path}: md5 is {digest}, published is {md5}; not opened, since a pickle is code; fetch it again"
        )
    try:
        with gzip.open(path) as file:
            diagram = pickle.load(file)
    except Exception as error:  # a pickle of other versions of its libraries may raise any exception
        raise DataError(
            f"{path}: does not load with the installed pymatgen ({type(error).__name__}: {error})"
        ) from error
    entries = getattr(diagram, "all_entries", None)
    if not entries:
        raise DataError(f"{path}: holds a {type(diagram).__name__}, no phase diagram")
    lowest: dict[str, Any] = {}
    for entry in sorted(entries, key=lambda entry: float(entry.energy_per_atom)):
        lowest.setdefault(entry.composition.reduced_formula, entry)
    return _rows(lowest.values(), (float(entry.energy) for entry in lowest.values()))


def own_entries(path: Path) -> Rows:
    """Return a user's computed entries (eV/atom), corrected with MP2020, from a file of pymatgen entries.

    Args:
        path: JSON file, or ``.json.gz``.

    Raises:
        DataError: the file is missing or invalid, or MP2020 corrects fewer than ``LEAST_CORRECTED`` of its entries.
    """
    try:
        entries = [_entry(record) for record in _read(path)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: holds no computed entries of pymatgen ({error!r})") from error
    corrected = corrected_entries(entries)
    corrected.check(str(path), LEAST_CORRECTED)
    taken = [(entry, energy) for entry, energy in zip(entries, corrected.energies, strict=True) if energy is not None]
    log.info("%s: %d of %d entries corrected with MP2020", path, len(taken), len(entries))
    return _rows([entry for entry, _ in taken], (energy for _, energy in taken))


def _entry(record: Mapping[str, Any]) -> Any:
    """Return the computed entry of its dictionary, without its adjustments: they are computed again.

    Its own ``from_dict`` imports and calls what the dictionary names.
    """
    from pymatgen.entries.computed_entries import ComputedEntry, ComputedStructureEntry

    rest = {name: _plain(record.get(name) or {}) for name in ("parameters", "data")}
    energy, name = float(record["energy"]), record.get("entry_id")
    if "structure" in record:
        return ComputedStructureEntry(structure_of_dict(record["structure"]), energy, entry_id=name, **rest)
    return ComputedEntry(record["composition"], energy, entry_id=name, **rest)


def _plain(value: Any) -> Any:
    """Return data without keys that name what to make of them."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items() if not key.startswith("@")}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def _read(path: Path) -> list[Any]:
    if not path.is_file():
        raise DataError(f"{path}: {why_no_file(path)}; set hull.entries to a JSON file of pymatgen entries")
    value = _unpacked(path)
    records = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(records, list) or not records:
        raise DataError(f"{path}: holds no list of entries")
    return records


def _unpacked(path: Path) -> Any:
    """Return the content of a JSON file that may be packed (.gz)."""
    opener: Any = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            return json.loads(read_bounded(file, LIMITS.get(), str(path)))
    except (OSError, ValueError, EOFError, RecursionError, zlib.error) as error:
        raise DataError(f"{path}: not readable ({error})") from error


def _rows(entries: Iterable[Any], energies: Iterable[float]) -> Rows:
    rows = []
    for entry, energy in zip(entries, energies, strict=True):
        amounts = {element.symbol: float(n) for element, n in entry.composition.items()}
        per_atom = energy / sum(amounts.values())
        rows.append(
            reference_row(str(entry.entry_id), entry.composition.reduced_formula, amounts, per_atom, MP2020_TAG)
        )
    return rows


READERS: Final[Mapping[str, Callable[[Find], Rows]]] = {
    "mp20-formation-energies": formation_energies,
    "mp-2023-02-07": phase_diagram,
}
"""Values of ``hull.reference``, in addition to ``builtin`` and ``entries``."""
