"""PoseBusters' checks of single molecules (``config="mol"``), with the columns by name.

Source: M. Buttenschoen et al., Chem. Sci. 15, 3130 (2024).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from adit import convert
from adit.errors import ExternalToolError
from adit.isolate import map_isolated
from adit.posebusters import POSEBUSTERS_COLUMNS
from adit.progress import Progress
from adit.systems import AtomicSystem

STARTUP_S = 120.0
"""Additional time of a worker's first molecule, for imports, s."""


@cache
def _buster() -> Any:
    """Return PoseBusters with its ``mol`` configuration, with every module once and in one thread.

    The shipped file lists the energy module twice; the second run adds no column and takes most of the time for
    molecules whose conformers are hard to embed.
    """
    import posebusters
    import yaml

    for name in ("posebusters", "rdkit"):  # PoseBusters sends RDKit's messages there too
        logging.getLogger(name).setLevel(logging.CRITICAL)
    path = Path(posebusters.__file__).parent / "config" / "mol.yml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["modules"] = [module for module in config["modules"] if module.get("chosen_binary_test_output")]
    for module in config["modules"]:
        if module["function"] == "energy_ratio":
            module["parameters"]["num_threads"] = 1
    _give_up_early()
    return posebusters.PoseBusters(config=config)


def _give_up_early() -> None:
    """Let the energy module stop at the first conformer that cannot be embedded.

    It needs 50 conformers and has no answer if one fails, but notices only after trying all of them for many seconds.
    Conformer i has its own seed, independent of their number, so the first one alone gives the same result.
    """
    from posebusters.modules import energy_ratio

    embed = energy_ratio.EmbedMultipleConfs

    def embed_all_or_none(mol: Any, count: int, settings: Any) -> Sequence[int]:
        from rdkit import Chem

        return embed(mol, count, settings) if len(embed(Chem.Mol(mol), 1, settings)) else ()

    energy_ratio.EmbedMultipleConfs = embed_all_or_none


def version() -> str:
    """Return the version of PoseBusters, which defines its columns."""
    return metadata.version("posebusters")


def bust_one(system: AtomicSystem) -> dict[str, bool | None]:
    """Return the result of every check of one molecule; ``None`` for checks that PoseBusters could not compute.

    Raises:
        DataError: no bonds with a total charge of 0 fit the geometry.
        ExternalToolError: a column is missing (another version of PoseBusters).
    """
    row = _buster().bust([convert.to_rdkit(system, charge=0)], None, None).iloc[0].to_dict()
    missing = [column for column in POSEBUSTERS_COLUMNS if column not in row]
    if missing:
        raise ExternalToolError(f"PoseBusters gives no column {', '.join(missing)}; install posebusters 0.6")
    return {column: _flag(row[column]) for column in POSEBUSTERS_COLUMNS}


def _flag(value: Any) -> bool | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return bool(value)


def bust(
    systems: Sequence[AtomicSystem],
    *,
    workers: int,
    wall_limit_s: float,
    one: Callable[[AtomicSystem], dict[str, bool | None]] = bust_one,
) -> list[dict[str, bool | None] | str]:
    """Check molecules and return in order the flags of each, or the reason why there are none.

    Args:
        systems: molecules.
        workers: largest number of processes.
        wall_limit_s: limit on the wall time of one molecule, s; a timeout or a crash gives a reason.
        one: importable function that checks one molecule.
    """
    progress = Progress("molecules checked with PoseBusters", len(systems))
    outcomes = map_isolated(
        one,
        systems,
        workers=workers,
        wall_limit_s=wall_limit_s,
        startup_s=STARTUP_S,
        on_result=lambda _, __: progress.update(),
    )
    return [outcome.value if outcome.status == "ok" else outcome.reason for outcome in outcomes]
