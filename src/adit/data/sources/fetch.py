"""``adit fetch``: download the public files to the cache, and log the origin and verification of each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from adit import store
from adit.config import LimitsConfig
from adit.data.sources.mirrors import cache_folder, locate
from adit.data.sources.registry import SOURCES, Dataverse, RawFile
from adit.errors import AditError, ConfigError, DataError
from adit.limits import DEFAULTS, limited
from adit.progress import log


def fetch_all(names: Sequence[str], mirror: str | None, limits: LimitsConfig = DEFAULTS) -> None:
    """Fetch sources by name; each one is tried, even if an earlier one failed.

    Args:
        names: keys of ``registry.SOURCES``.
        mirror: folder or URL with copies, tried first; ``None`` for none.
        limits: limits of a download: size (bytes), rate (bytes per second), waiting times (s).

    Raises:
        ConfigError: a name is unknown.
        DataError: a source could not be fetched; the message names the first one, the log all.
    """
    unknown = [name for name in names if name not in SOURCES]
    if unknown:
        raise ConfigError(f"{unknown[0]}: no such source; known: {', '.join(SOURCES)}")
    failed: list[AditError] = []
    for name in names:
        try:
            with limited(limits):
                files = locate(name, SOURCES[name], mirror)
        except DataError as error:
            log.error("%s", error)
            failed.append(error)
            continue
        for file, path in files.paths.items():
            log.info("%s: %s, %s, sha256 %s", name, path, _size(path), store.sha256(path))
            log.info("%s: %s: %s", name, file, files.verified[file])
    if failed:
        raise DataError(f"{len(failed)} of {len(names)} sources are missing; the first: {failed[0]}")


def listing() -> list[str]:
    """Return the folder of downloads, then one line per file: source, name, address, size, checksum, licence."""
    lines = [f"files are kept in {cache_folder()} ($ADIT_CACHE)"]
    for source, layouts in SOURCES.items():
        files = [file for layout in layouts for file in layout]
        lines += [f"{source}: {_describe(file)}" for file in files if file.upstream is not None]
        lines += [f"{source}: {file.name}: a form that mirrors hold" for file in files if file.upstream is None]
    return lines


def _describe(file: RawFile) -> str:
    upstream = file.upstream
    if isinstance(upstream, Dataverse):
        return f"{file.name}: {upstream.url} ({upstream.filename}), size and md5 as listed there, {upstream.licence}"
    if upstream is None:
        return file.name
    size = "size not published" if upstream.size is None else f"{upstream.size} bytes"
    check = f"{upstream.algorithm} {upstream.digest}" if upstream.digest else "no published checksum"
    return f"{file.name}: {upstream.url}, {size}, {check}, {upstream.licence}"


def _size(path: Path) -> str:
    return f"{path.stat().st_size} bytes"
