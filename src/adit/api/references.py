"""Reference entries of a hull: a user's table, or computed once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from adit import config
from adit.errors import DataError, why_no_file
from adit.limits import DEFAULTS, limited
from adit.outputs.replace import replaced_files


def user_cache() -> Path:
    """Return the cache folder for a reference: ``$XDG_CACHE_HOME/adit``, else ``~/.cache/adit``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "adit"


def public_files(mirror: str | None, limits: config.LimitsConfig = DEFAULTS) -> Callable[[str], Path]:
    """Return a function that returns the local path of a public file, downloaded from the mirror or its source.

    That function raises ``DataError`` if the file cannot be found or downloaded.

    Args:
        mirror: folder or URL with copies of the files; ``None``: none.
        limits: limits on downloads.
    """

    def find(name: str) -> Path:
        from adit.data.sources.mirrors import locate
        from adit.data.sources.registry import SOURCES, RawFile

        with limited(limits):
            return next(iter(locate(name, SOURCES.get(name, ((RawFile(name),),)), mirror).paths.values()))

    return find


def builtin_data(folder: Path, whole: config.Config, workers: int) -> Path:
    """Prepare the built-in crystals in a folder and return the path of the dataset.

    Args:
        folder: folder of the dataset and of its intermediate files.
        whole: the configuration.
        workers: largest number of processes.

    Raises:
        ConfigError: a file to write was not written by this package.
    """
    from adit.data.prepare.stage import prepare
    from adit.hull.reference import BUILTIN

    data = folder / f"{BUILTIN}.arrow"
    stage = whole.stage(config.PrepareStage, dataset=config.ChosenDataset(name=BUILTIN), custom=None)
    with replaced_files([data, data.with_suffix(".stats.json")], "prepare") as (systems, stats):
        prepare(stage, systems, stats, state=folder / "state" / "prepare", workers=workers)
    return data


def own_reference(
    folder: Path, whole: config.Config, chemical: Sequence[frozenset[str]], *, workers: int, mirror: str | None
) -> Path:
    """Compute the reference entries of the configuration in a folder and return their path; an existing file is reused.

    Servers are asked for the chemical systems of each call; their answers are kept for the user, not in the folder.

    Args:
        folder: folder of the table and of intermediate results.
        whole: the configuration.
        chemical: sets of elements of the structures.
        workers: largest number of processes.
        mirror: folder or URL with copies of public files; ``None``: none.

    Raises:
        DataError: a file or an answer is missing or broken.
        ExternalToolError: the potential is not installed.
    """
    from adit.hull.reference import reference

    is_live = whole.hull.is_live
    out = folder / f"{whole.hull.reference}.parquet"
    if out.is_file() and whole.hull.reference != "entries" and not is_live:
        return out
    data = [builtin_data(folder, whole, workers)] if whole.hull.reference == "builtin" else []
    cache = user_cache() / "references" if is_live else folder / "state"
    with replaced_files([out], "reference", inputs=data) as (new,):
        stage, systems = whole.stage(config.ReferenceStage), set(chemical) if is_live else None
        reference(stage, data, new, cache, workers, public_files(mirror, whole.limits), systems)
    return out


def reference_table(
    reference: str | Path,
    whole: config.Config,
    chemical: Sequence[frozenset[str]],
    folder: Path,
    *,
    workers: int,
    mirror: str | None,
) -> Path:
    """Return the table of a reference: a file as it is, or computed in a folder, see ``own_reference``.

    Raises:
        ConfigError: ``hull.reference`` has no such value.
        DataError: there is no such file.
    """
    if isinstance(reference, Path) or Path(reference).suffix:
        path = Path(reference)
        if not path.is_file():
            raise DataError(f"{path}: {why_no_file(path)}")
        return path
    section = config.parse_as(config.HullConfig, {"reference": reference}, "above_hull")
    changed = whole.model_copy(update={"hull": section})
    return own_reference(folder, changed, chemical, workers=workers, mirror=mirror)
