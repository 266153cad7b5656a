"""Downloads end: at a size, below a rate, after a wait; and say what they leave on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from adit.api.references import public_files
from adit.config import LimitsConfig
from adit.data.sources.checksums import Upstream
from adit.data.sources.download import download
from adit.data.sources.fetch import fetch_all
from adit.data.sources.registry import SOURCES, RawFile
from adit.data.sources.retries import Patience
from adit.errors import DataError
from adit.limits import limited
from tests.http_server import Site, serving

BODY = bytes(range(256)) * 4_000


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(Site(files={"a.bin": BODY}, etags={"a.bin": '"v1"'})) as opened:
        yield opened


def patience(waits: list[float] | None = None) -> Patience:
    return Patience(attempts=3, window_s=0.3, sleep=([] if waits is None else waits).append)


def left(folder: Path) -> dict[str, int]:
    return {p.name: p.stat().st_size for p in folder.rglob("*") if p.is_file() and not p.name.endswith(".lock")}


def test_a_mirror_that_sends_without_end_is_left_at_the_limit(site: Site, tmp_path: Path) -> None:
    site.endless.add("a.bin")
    with limited(LimitsConfig(download_bytes=5_000_000)), pytest.raises(DataError, match=r"limits\.download_bytes"):
        download(f"{site.url}/a.bin", tmp_path / "a.bin", patience=patience())
    assert left(tmp_path) == {}


def test_the_limits_of_a_configuration_hold_for_fetch_and_reference(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(SOURCES, "own", ((RawFile("a.bin"),),))
    limits = LimitsConfig(download_bytes=1000)
    for fetching in (lambda: public_files(site.url, limits)("a.bin"), lambda: fetch_all(["own"], site.url, limits)):
        with pytest.raises(DataError):
            fetching()
        assert not list(tmp_path.rglob("a.bin"))
    fetch_all(["own"], site.url, LimitsConfig(download_bytes=10_000_000))
    assert list(tmp_path.rglob("a.bin"))


@pytest.mark.parametrize("announced", [True, False])
def test_more_than_the_published_size_is_not_taken(site: Site, tmp_path: Path, announced: bool) -> None:
    if not announced:
        site.endless.add("a.bin")
    published = Upstream(f"{site.url}/a.bin", 1000, "md5", "00")
    with pytest.raises(DataError, match=r"has \d+ bytes, expected 1000"):
        download(published.url, tmp_path / "a.bin", published, patience=patience())
    assert left(tmp_path) == {}
    with pytest.raises(DataError, match=r"has \d+ bytes, expected 999"):
        download(f"{site.url}/a.bin", tmp_path / "a.bin", patience=patience(), size=999)


def test_an_announced_length_above_the_limit_is_refused_before_a_byte(site: Site, tmp_path: Path) -> None:
    site.lengths["a.bin"] = 10**18
    with pytest.raises(DataError, match=r"sends more than 20,000,000,000 bytes"):
        download(f"{site.url}/a.bin", tmp_path / "a.bin", patience=patience())


def test_a_byte_at_a_time_is_given_up_and_what_came_is_named(site: Site, tmp_path: Path) -> None:
    site.slow["a.bin"] = 0.02
    with pytest.raises(DataError, match=r"sends \d+ bytes/s, less than 1000 \(3 attempts\)") as failed:
        download(f"{site.url}/a.bin", tmp_path / "a.bin", patience=patience())
    size = left(tmp_path)["a.bin.partial"]
    assert f"{size:,} bytes are in {tmp_path / 'a.bin.partial'}: run again to continue, or delete it" in str(
        failed.value
    )


@pytest.mark.timeout(60)
def test_a_header_that_never_ends_is_given_up(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adit.data.sources.download.TIMEOUT_S", 0.4)
    site.slow_headers["a.bin"] = 0.02
    with pytest.raises(DataError, match=r"nothing complete within 0.4 s|Read timed out.*3 attempts"):
        download(f"{site.url}/a.bin", tmp_path / "a.bin", patience=patience())
    assert left(tmp_path) == {}


@pytest.mark.timeout(60)
def test_the_length_of_a_block_that_never_ends_is_given_up(site: Site, tmp_path: Path) -> None:
    site.slow_chunks["a.bin"] = 0.02
    with pytest.raises(DataError, match=r"nothing complete within"):
        download(f"{site.url}/a.bin", tmp_path / "a.bin", patience=patience())
    assert not (tmp_path / "a.bin").exists()


def test_a_server_that_gives_a_byte_a_connection_is_given_up(site: Site, tmp_path: Path) -> None:
    site.drop_after["a.bin"] = [1] * 99
    with pytest.raises(DataError, match=r"3 attempts.*bytes are in .*a\.bin\.partial"):
        download(f"{site.url}/a.bin", tmp_path / "a.bin", patience=patience())
    assert len(site.requests) == 3


@pytest.mark.parametrize(
    "retry_after", ["999999999999", "9" * 400, "0", "²", "-5", "soon", "", "Thu, 99 Dec 1994 16:00:00 GMT"]
)
def test_absurd_waits_are_capped(site: Site, tmp_path: Path, retry_after: str) -> None:
    site.statuses["a.bin"] = [(429, retry_after.encode("utf-8").decode("latin-1"))]
    waits: list[float] = []
    with limited(LimitsConfig(retry_after_s=90.0)):
        download(f"{site.url}/a.bin", tmp_path / "a.bin", patience=patience(waits))
    assert all(0 <= wait <= 90 for wait in waits)
    assert (tmp_path / "a.bin").read_bytes() == BODY


def test_a_wait_given_as_a_date_is_kept(site: Site, tmp_path: Path) -> None:
    site.statuses["a.bin"] = [(503, format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True))]
    waits: list[float] = []
    download(f"{site.url}/a.bin", tmp_path / "a.bin", patience=patience(waits))
    assert 30 < waits[0] <= 40


def test_a_missing_wait_is_back_off(site: Site, tmp_path: Path) -> None:
    site.statuses["a.bin"] = [503]
    waits: list[float] = []
    download(f"{site.url}/a.bin", tmp_path / "a.bin", patience=patience(waits))
    assert 0.5 < waits[0] < 2
