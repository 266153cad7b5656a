"""Servers that send without end, slowly, or ask for absurd waits; and ``adit fetch`` without a configuration."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.security.tool import Case, Tool, end
from tests.http_server import Site, serving

FILE = "qmof/qmof_le150.parquet"
MOST = 300_000_000
"""Bytes on the disk that are too many for a limit of 20 MB."""


def _limits(tool: Tool, folder: Path) -> None:
    """Write a configuration with a small limit, where the checkout has limits."""
    limits = "limits: {download_bytes: 20000000}\n" if tool.has_limits else ""
    (folder / "run.yaml").write_text(f"name: x\n{limits}")


def _fetching(tool: Tool, folder: Path, site: Site) -> list[str]:
    _limits(tool, folder)
    tool.environment["ADIT_CACHE"] = str(folder / "cache")
    return ["fetch", "--dataset", "qmof", "--mirror", site.url, "--config", "run.yaml"]


def endless(tool: Tool, folder: Path) -> str:
    """Fetch from a mirror that sends without end."""
    import sys

    with serving(Site({FILE: b"x" * (1 << 20)}, endless={FILE})) as site:
        line = [sys.executable, "-m", "adit", *_fetching(tool, folder, site)]
        process, started = tool.start(folder, line, folder / "said"), time.monotonic()
        size = 0
        while process.poll() is None and size < MOST and time.monotonic() - started < 300:
            time.sleep(0.1)
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        end(process)
        process.wait()
    return f"{size / 1e6:.0f} MB on the disk and growing" if size >= MOST else ""


def slow(tool: Tool, folder: Path) -> str:
    """Fetch from a mirror that sends five bytes a second."""
    with serving(Site({FILE: b"x" * 100_000}, slow={FILE: 0.2})) as site:
        done = tool.adit(folder, *_fetching(tool, folder, site), limit_s=900)
    return done.unsafe(3, 4)


def absurd_wait(tool: Tool, folder: Path) -> str:
    """Fetch from a mirror that asks for a wait that is no number."""
    statuses: dict[str, list[int | tuple[int, str]]] = {FILE: [(503, "²")] * 50}
    with serving(Site({FILE: b"x"}, statuses=statuses)) as site:
        done = tool.adit(folder, *_fetching(tool, folder, site), limit_s=330)
    return done.unsafe(3, 4)


def without_configuration(tool: Tool, folder: Path) -> str:
    """Fetch a dataset in a folder without a configuration."""
    with serving(Site({FILE: b"x"})) as site:
        tool.environment["ADIT_CACHE"] = str(folder / "cache")
        done = tool.adit(folder, "fetch", "--dataset", "qmof", "--mirror", site.url, limit_s=60)
    return "asks for a configuration file" if "config.yaml" in done.said else ""


CASES = [
    Case("10a", "a mirror that sends without end", endless),
    Case("10b", "a mirror that sends five bytes a second", slow),
    Case("10c", "a mirror with an absurd Retry-After", absurd_wait),
    Case("13e", "fetch --dataset without a configuration", without_configuration),
]
