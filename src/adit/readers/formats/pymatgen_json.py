"""pymatgen's own JSON: ``Structure`` and ``Molecule`` dictionaries, alone, in lists, by id, or in cells of tables."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from adit import convert
from adit.columns import Col
from adit.errors import DataError
from adit.readers.formats.base import CutSettings, Format, NoStructuresError, Parsed, ParseSettings, Piece
from adit.readers.formats.geometry import is_periodic, need_geometry
from adit.readers.formats.texts import encodable
from adit.systems import Kind

_WRAPPED: Final = ("structure", "molecule")
"""Keys of the structure in pymatgen's entries."""


TOO_DEEP: Final = "is not readable (it is nested too deep)"
"""Message for a text that is nested deeper than Python's limit of recursion."""

_HALVES: Final = re.compile(r"\\u[dD][89a-fA-F]")
"""Escapes of half a character; without the other half they are text that cannot be stored."""


def is_structure(value: Any) -> bool:
    """Return whether a value is the dictionary of a pymatgen structure or molecule, or of an entry with one."""
    if not isinstance(value, Mapping):
        return False
    if "sites" in value:
        return True
    return any(isinstance(value.get(name), Mapping) and "sites" in value[name] for name in _WRAPPED)


def loads(text: str) -> Any:
    """Return the value of a text in JSON, or of a Python literal of a dictionary.

    Raises:
        DataError: the text is neither, is nested too deep, or has a key twice in one dictionary.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except RecursionError as error:
        raise DataError(TOO_DEEP) from error
    except ValueError as error:
        try:
            tree = ast.parse(text.lstrip(" \t"), mode="eval")
            value = ast.literal_eval(tree)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise DataError(f"is not JSON ({error})") from error
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict):
                _unique([(key.value, None) for key in node.keys if isinstance(key, ast.Constant)])
        return value


def _unique(pairs: Sequence[tuple[Any, Any]]) -> dict[Any, Any]:
    """Return the dictionary of keys and values in a text, none of which may be lost.

    Raises:
        DataError: a key occurs twice.
    """
    values = dict(pairs)
    if len(values) < len(pairs):
        key = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise DataError(f"has the key {str(key)[:80]!r} twice in one dictionary; give each a name of its own")
    return values


def parse_pymatgen(content: Any, settings: ParseSettings | None = None) -> Parsed:
    """Return the system of a pymatgen dictionary, or of its text.

    Raises:
        DataError: it is not a structure, its sites are disordered, or it is a molecule without a geometry.
    """
    value = loads(content) if isinstance(content, str) else content
    if isinstance(value, str):  # a dictionary that was written as a JSON string
        value = loads(value)
    if not is_structure(value):
        raise DataError("is not a pymatgen structure: it has no sites")
    if "sites" not in value:
        value = next(value[name] for name in _WRAPPED if isinstance(value.get(name), Mapping))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            system = convert.from_pymatgen_dict(value, "json")
    except DataError:
        raise
    except Exception as error:  # pymatgen raises many classes
        raise DataError(f"pymatgen does not read the dictionary ({type(error).__name__}: {error})") from error
    periodic, notes = is_periodic(_directions(value)) if system.cell is not None else (False, ())
    if not periodic:
        need_geometry(system.positions)
        charge = {str(Col.CHARGE): convert.whole_charge(value["charge"])} if value.get("charge") else {}
        system = replace(system, kind=Kind.MOLECULE, cell=None, info={**system.info, **charge})
    return Parsed(system, notes)


def _directions(value: Mapping[str, Any]) -> list[bool]:
    """Return whether each lattice vector of a structure's dictionary is periodic; pymatgen writes it since 2022."""
    lattice = value.get("lattice")
    pbc = lattice.get("pbc") if isinstance(lattice, Mapping) else None
    return [True] if pbc is None else [bool(each) for each in pbc]


def cut_json(text: str, source: str, settings: CutSettings) -> Iterator[Piece]:
    """Yield the structures of a JSON text: of one dictionary, a list, dictionaries by id, or a list of records.

    Raises:
        NoStructuresError: the text has no structures.
        DataError: it is not JSON, has a key twice in one dictionary, or a column named by ``settings`` is missing in
            its records.
    """
    if not text.strip():
        yield Piece("", problem="file is empty")
        return
    try:
        value = json.loads(text, object_pairs_hook=_unique)
        if _HALVES.search(text):
            value = encodable(value)
    except RecursionError as error:
        raise DataError(f"{source}: {TOO_DEEP}") from error
    except DataError as error:
        raise DataError(f"{source}: {error}") from error
    except ValueError as error:
        raise DataError(f"{source}: is not JSON ({error})") from error
    if is_structure(value):
        yield _piece(value, "", settings)
    elif isinstance(value, list) and any(is_structure(each) for each in value):
        for each in value:
            yield _piece(each, _title(each), settings)
    elif isinstance(value, Mapping) and any(is_structure(each) for each in value.values()):
        for name, each in value.items():
            yield _piece(each, str(name), settings)
    elif isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
        from adit.readers.formats.tables import cut_records

        yield from cut_records(value, source, settings)
    else:
        raise NoStructuresError(f"{source}: holds no pymatgen structures (dictionaries with sites)")


def _piece(value: Any, title: str, settings: CutSettings) -> Piece:
    labels = _labels(value)
    if settings.id_column:
        own = labels.get(settings.id_column)
        return Piece(value, "" if own is None else str(own), labels, own_id=True)
    return Piece(value, title, labels)


def _title(value: Any) -> str:
    names = ("system_id", "material_id", "entry_id", "id", "name")
    return next((str(value[name]) for name in names if value.get(name)), "") if isinstance(value, Mapping) else ""


def _labels(value: Any) -> dict[str, Any]:
    """Return the labels of a dictionary: values beside the structure of a record or an entry, else its properties.

    The energy of a pymatgen entry, eV, includes its correction.
    """
    if not is_structure(value):
        return {}
    if "sites" in value:
        own = value.get("properties")
        return dict(own) if isinstance(own, Mapping) else {}
    labels = {
        str(name): each
        for name, each in value.items()
        if not isinstance(each, Mapping) and not str(name).startswith("@")
    }
    parts = [labels.get(name) for name in ("energy", "correction")]
    if str(value.get("@class", "")).endswith("Entry") and all(isinstance(each, (int, float)) for each in parts):
        labels["energy"] = sum(parts)
    return labels


PYMATGEN: Final = Format(
    "pymatgen JSON",
    (".json",),
    cut_json,
    parse_pymatgen,
    remark="a structure, a list, structures by id, records with a structure each, or pymatgen's entries",
)
