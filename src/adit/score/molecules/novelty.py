"""Names of the training molecules, for novelty, computed once and cached on disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Final

from adit import store
from adit.columns import Col
from adit.elements import composition
from adit.errors import DataError
from adit.isolate import map_isolated
from adit.progress import Progress, log
from adit.score.common.content import content_key
from adit.score.molecules.names import MoleculeNames, geometry_names
from adit.systems import AtomicSystem

CHUNK: Final = 20_000
"""Number of names written at a time, so that a killed run loses few."""

VERSION: Final = 1
"""Version of the names: increased when the names of a geometry change."""

Composition = tuple[tuple[str, int], ...]
"""Element symbols and numbers of atoms."""


@dataclass(frozen=True)
class KnownNames:
    """Names of the training molecules.

    Attributes:
        smiles: canonical SMILES without stereochemistry.
        stereo_smiles: canonical SMILES with stereochemistry.
        inchikeys: standard InChIKeys.
        count: number of molecules of the training split; 0 if there is no training split.
    """

    smiles: AbstractSet[str] = field(default_factory=frozenset)
    stereo_smiles: AbstractSet[str] = field(default_factory=frozenset)
    inchikeys: AbstractSet[str] = field(default_factory=frozenset)
    count: int = 0


def composition_key(system: AtomicSystem) -> Composition:
    """Return the atoms of each element, which is equal for equal molecules."""
    return tuple(composition(system.numbers).items())


class TrainNames:
    """Names of the training molecules, computed for requested compositions only.

    Args:
        train: training molecules.
        workers: largest number of processes.
        wall_limit_s: limit on the wall time of one molecule, s; a molecule beyond it has no name.
        cache: folder for names, or ``None``.
    """

    def __init__(
        self, train: Sequence[AtomicSystem], *, workers: int, wall_limit_s: float, cache: Path | None = None
    ) -> None:
        self._train = train
        self._workers, self._wall_limit_s = workers, wall_limit_s
        version = metadata.version("rdkit")
        self._path = None if cache is None else cache / f"molecule-names-{VERSION}-rdkit-{version}.parquet"
        self._stored = _read(self._path)

    def __len__(self) -> int:
        return len(self._train)

    def of(self, wanted: AbstractSet[Composition]) -> KnownNames:
        """Return the names of the training molecules of these compositions."""
        keys = {content_key(system): system for system in self._train if composition_key(system) in wanted}
        self._name([(key, system) for key, system in keys.items() if key not in self._stored])
        names = [name for key in keys if (name := self._stored.get(key)) is not None]
        return KnownNames(
            frozenset(each.smiles for each in names),
            frozenset(each.stereo_smiles for each in names),
            frozenset(each.inchikey for each in names),
            len(self),
        )

    def _name(self, work: Sequence[tuple[str, AtomicSystem]]) -> None:
        progress = Progress("training molecules named", len(work))
        for start in range(0, len(work), CHUNK):
            part = work[start : start + CHUNK]
            outcomes = map_isolated(
                geometry_names,
                [system for _, system in part],
                workers=self._workers,
                wall_limit_s=self._wall_limit_s,
                on_result=lambda _, __: progress.update(),
            )
            done = zip(part, outcomes, strict=True)
            self._stored |= {key: outcome.value for (key, _), outcome in done if outcome.status == "ok"}
            _write(self._path, self._stored.items())


_COLUMNS: Final = ("key", "smiles", Col.STEREO_SMILES, "inchikey")


def _read(path: Path | None) -> dict[str, MoleculeNames | None]:
    if path is None or not path.is_file():
        return {}
    try:
        rows = store.read_frame(path)[list(_COLUMNS)].itertuples(index=False, name=None)
    except (DataError, KeyError):
        log.warning("%s: not readable; the names are computed again", path)
        return {}
    return {key: MoleculeNames(*names) if names[0] else None for key, *names in rows}


def _write(path: Path | None, names: Iterable[tuple[str, MoleculeNames | None]]) -> None:
    if path is None:
        return
    import pandas as pd

    rows = [(key, n.smiles, n.stereo_smiles, n.inchikey) if n else (key, "", "", "") for key, n in names]
    store.write_frame(path, pd.DataFrame(rows, columns=list(_COLUMNS)))
