"""``adit export``: samples in the form that LeMat-GenBench takes.

Writes: a CSV table of structures, or a zip archive of CIF files
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from adit import convert, store
from adit.errors import ConfigError, DataError
from adit.progress import log, quantity
from adit.readers import ReadRow
from adit.relax.dft.task import structure_folder
from adit.systems import AtomicSystem

LEADERBOARD: Final = 2500
"""Structures of each entry of LeMat-GenBench's leaderboard."""

SUFFIXES: Final = (".csv", ".zip")

COLUMNS: Final = ("material_id", "structure")
"""Columns that LeMat-GenBench reads (``run_benchmarks.py --csv``): an id, and pymatgen's JSON of the structure."""


def check_suffix(out: Path) -> None:
    """Check the name of the output.

    Raises:
        ConfigError: it has another suffix.
    """
    if out.suffix not in SUFFIXES:
        raise ConfigError(f"--out {out}: give a file with the suffix {' or '.join(SUFFIXES)}")


def export_lemat(rows: Sequence[ReadRow], out: Path) -> None:
    """Write the crystals for LeMat-GenBench; what is no crystal is left out and counted.

    Args:
        rows: samples as they were read.
        out: ``.csv``: a row per structure, ``COLUMNS``; ``.zip``: a CIF file per structure, named after its id.

    Raises:
        DataError: there is no crystal.
    """
    systems = [each.row for each in rows if isinstance(each.row, AtomicSystem) and each.row.cell is not None]
    if not systems:
        raise DataError(f"none of the {quantity(len(rows), 'sample')} is a crystal; give crystals")
    if out.suffix == ".csv":
        _write_table(systems, out)
    else:
        store.write_zip(out, {f"{structure_folder(one.system_id)}.cif": convert.to_cif(one) for one in systems})
    log.info("%s: %s", out, quantity(len(systems), "crystal"))
    left_out = len(rows) - len(systems)
    if left_out:
        log.warning("%s without a crystal left out: the benchmark does not count them as failures", left_out)
    if len(systems) != LEADERBOARD:
        log.warning("the leaderboard compares entries of %d structures, these are %d", LEADERBOARD, len(systems))


def _write_table(systems: Sequence[AtomicSystem], out: Path) -> None:
    import pandas as pd

    texts = [(one.system_id, json.dumps(convert.to_structure(one).as_dict())) for one in systems]
    store.write_frame(out, pd.DataFrame(texts, columns=list(COLUMNS)))
