"""Downloads against a server with faults: resume, retries, checksums, mirrors."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adit.data.sources import fetch as verb
from adit.data.sources import mirrors
from adit.data.sources.checksums import Upstream, check_download, file_digest, first_use
from adit.data.sources.download import download, fetch
from adit.data.sources.registry import SOURCES, Dataverse, RawFile
from adit.data.sources.retries import Patience
from adit.errors import ConfigError, DataError
from tests.http_server import Site, serving

BODY = bytes(range(256)) * 40_000
"""10 MB, so that a transfer takes several blocks."""


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(Site(files={"a.bin": BODY}, etags={"a.bin": '"v1"'})) as opened:
        yield opened


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ADIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def patience(waits: list[float] | None = None, attempts: int = 4) -> Patience:
    said: list[float] = [] if waits is None else waits
    return Patience(attempts=attempts, sleep=said.append)


def md5(url: str, body: bytes = BODY) -> Upstream:
    return Upstream(url, len(body), "md5", hashlib.md5(body).hexdigest())


def left(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and not p.name.endswith(".lock"))


def test_a_dropped_transfer_goes_on_where_it_stopped(site: Site, cache: Path) -> None:
    site.drop_after["a.bin"] = [3_000_000, 2_000_000]
    waits: list[float] = []
    path = fetch(md5(f"{site.url}/a.bin"), cache / "a.bin", patience(waits))
    assert path.read_bytes() == BODY
    ranges = [requested for _, requested in site.requests]
    assert ranges[0] is None
    assert all(requested is not None and int(requested[6:-1]) > 0 for requested in ranges[1:])
    assert len(waits) == 2
    assert left(cache) == ["a.bin"]


def test_a_killed_download_is_gone_on_with(site: Site, cache: Path) -> None:
    site.drop_after["a.bin"] = [4_000_000, 0, 0, 0]
    with pytest.raises(DataError, match="run again to continue"):
        download(f"{site.url}/a.bin", cache / "a.bin", patience=patience(attempts=2))
    assert left(cache) == ["a.bin.partial", "a.bin.partial.json"]
    have = (cache / "a.bin.partial").stat().st_size
    assert have > 0
    site.drop_after.clear()
    site.requests.clear()
    assert fetch(md5(f"{site.url}/a.bin"), cache / "a.bin").read_bytes() == BODY
    assert site.requests == [("a.bin", f"bytes={have}-")]


def test_a_file_that_changed_meanwhile_starts_from_zero(site: Site, cache: Path) -> None:
    site.drop_after["a.bin"] = [4_000_000, 0, 0]
    with pytest.raises(DataError):
        download(f"{site.url}/a.bin", cache / "a.bin", patience=patience(attempts=2))
    other = BODY[::-1]
    site.files["a.bin"], site.etags["a.bin"] = other, '"v2"'
    site.drop_after.clear()
    assert fetch(md5(f"{site.url}/a.bin", other), cache / "a.bin").read_bytes() == other


def test_a_server_without_ranges_or_validators_starts_from_zero(site: Site, cache: Path) -> None:
    site.no_ranges = True
    site.etags.clear()
    site.drop_after["a.bin"] = [3_000_000]
    assert fetch(md5(f"{site.url}/a.bin"), cache / "a.bin", patience()).read_bytes() == BODY
    assert site.requests == [("a.bin", None), ("a.bin", None)]


def test_a_range_beyond_the_end_starts_from_zero(site: Site, cache: Path) -> None:
    cache.mkdir()
    (cache / "a.bin.partial").write_bytes(BODY + b"more")
    (cache / "a.bin.partial.json").write_text(json.dumps({"validator": '"v1"'}))
    assert fetch(md5(f"{site.url}/a.bin"), cache / "a.bin", patience()).read_bytes() == BODY


def test_retry_after_is_obeyed_and_back_off_grows(site: Site, cache: Path) -> None:
    site.statuses["a.bin"] = [(429, "7"), 503, 500]
    waits: list[float] = []
    download(f"{site.url}/a.bin", cache / "a.bin", patience=patience(waits, attempts=9))
    assert waits[0] == 7
    assert 1.5 <= waits[1] <= 2.5
    assert 3.0 <= waits[2] <= 5.0


@pytest.mark.parametrize("status", [500, 503, 429])
def test_retries_are_bounded(site: Site, cache: Path, status: int) -> None:
    site.statuses["a.bin"] = [status] * 99
    with pytest.raises(DataError, match=rf"answers {status}.*\(4 attempts\); .*MIRROR="):
        download(f"{site.url}/a.bin", cache / "a.bin", patience=patience())
    assert len(site.requests) == 4


@pytest.mark.parametrize("status", [400, 401, 404])
def test_what_no_retry_mends_is_said_at_once(site: Site, cache: Path, status: int) -> None:
    site.statuses["a.bin"] = [status]
    with pytest.raises(DataError, match=f"answers {status}") as error:
        download(f"{site.url}/a.bin", cache / "a.bin", patience=patience())
    assert "\n" not in str(error.value)
    assert len(site.requests) == 1


def test_a_server_that_always_breaks_off_ends(site: Site, cache: Path) -> None:
    site.etags.clear()
    site.drop_after["a.bin"] = [1000] * 99
    with pytest.raises(DataError, match=r"a\.bin: .*4 attempts"):
        download(f"{site.url}/a.bin", cache / "a.bin", patience=patience())


def test_a_wrong_length_is_no_whole_file(site: Site, cache: Path) -> None:
    site.lengths["a.bin"] = len(BODY) + 10
    with pytest.raises(DataError, match=r"a\.bin"):
        download(f"{site.url}/a.bin", cache / "a.bin", patience=patience(attempts=2))
    assert "a.bin" not in left(cache)


def test_wrong_bytes_leave_nothing(site: Site, cache: Path) -> None:
    wrong = Upstream(f"{site.url}/a.bin", len(BODY), "sha256", "00ff")
    with pytest.raises(DataError, match=r"sha256 checksum is [0-9a-f]+, expected 00ff; .*MIRROR="):
        fetch(wrong, cache / "a.bin")
    assert left(cache) == []


def test_a_wrong_size_is_named(site: Site, cache: Path) -> None:
    with pytest.raises(DataError, match=f"has {len(BODY)} bytes, expected 8"):
        fetch(Upstream(f"{site.url}/a.bin", 8, "md5", "00ff"), cache / "a.bin")


def test_redirects_are_followed(site: Site, cache: Path) -> None:
    site.redirects["old"] = "a.bin"
    assert fetch(md5(f"{site.url}/old"), cache / "a.bin").read_bytes() == BODY


def test_a_server_that_does_not_answer_gives_the_way_out(cache: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be reached .*refused.*MIRROR=") as error:
        download("http://127.0.0.1:9/x", cache / "x", patience=patience(attempts=2))
    assert "\n" not in str(error.value)


def test_two_processes_download_a_file_once(site: Site, cache: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from adit.data.sources.download import download; "
        "download(sys.argv[1], Path(sys.argv[2]))"
    )
    commands = [[sys.executable, "-c", code, f"{site.url}/a.bin", str(cache / "a.bin")]] * 2
    running = [subprocess.Popen(command) for command in commands]
    assert [process.wait(60) for process in running] == [0, 0]
    assert [path for path, _ in site.requests] == ["a.bin"]
    assert (cache / "a.bin").read_bytes() == BODY


def test_sigkill_in_mid_transfer_loses_nothing(site: Site, cache: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from adit.data.sources import download as d\n"
        "stream = d._stream\n"
        "def slow(response, path, *rest):\n"
        "    read = response.iter_content\n"
        "    response.iter_content = lambda n: (time.sleep(0.05) or b for b in read(100_000))\n"
        "    stream(response, path, *rest)\n"
        "d._stream = slow\n"
        "d.download(sys.argv[1], Path(sys.argv[2]))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, f"{site.url}/a.bin", str(cache / "a.bin")])
    partial = cache / "a.bin.partial"
    deadline = time.monotonic() + 60
    while not (partial.is_file() and partial.stat().st_size > 500_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert "a.bin" not in left(cache)
    site.requests.clear()
    assert fetch(md5(f"{site.url}/a.bin"), cache / "a.bin").read_bytes() == BODY
    assert site.requests[0][1] is not None


def test_git_checksum_is_that_of_a_blob(tmp_path: Path) -> None:
    file = tmp_path / "hello"
    file.write_bytes(b"hello\n")
    check_download(file, Upstream("", 6, "git", "ce013625030ba8dba906f756967f9e9ca394464a"))


def test_a_spoilt_cache_is_found_out(cache: Path) -> None:
    cache.mkdir()
    (cache / "a.txt").write_bytes(b"spoilt")
    with pytest.raises(DataError, match=r"a\.txt: md5 checksum is .* delete it"):
        fetch(Upstream("http://127.0.0.1:9/a.txt", None, "md5", "00ff"), cache / "a.txt")


def test_without_a_published_checksum_the_first_download_counts(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"one")
    assert first_use(file) == first_use(file) == file_digest(file, "sha256")
    file.write_bytes(b"two")
    with pytest.raises(DataError, match="at its first download it was"):
        first_use(file)


# --- where files come from --------------------------------------------------------------------------------------------


def test_a_missing_mirror_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: no such folder"):
        mirrors.locate("mp20", SOURCES["mp20"], str(tmp_path / "nowhere"))


def test_neither_mirror_nor_upstream(tmp_path: Path, site: Site) -> None:
    layout = (RawFile("x/gone.csv", Upstream(f"{site.url}/gone.csv", None, "md5", "00ff")),)
    with pytest.raises(DataError, match=r"x: not in the mirror .*gone\.csv: the server answers 404.*MIRROR="):
        mirrors.locate("x", [layout], str(tmp_path))


def test_files_of_one_dataset_never_come_from_two_places(tmp_path: Path, site: Site) -> None:
    site.files |= {"a": b"upstream a", "b": b"upstream b"}
    layout = tuple(RawFile(n, md5(f"{site.url}/{n}", site.files[n])) for n in "ab")
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "a").write_bytes(b"upstream a")
    location = mirrors.locate("x", [layout], str(tmp_path / "mirror"))
    assert location.origin == "upstream"
    assert set(location.verified.values()) == {mirrors.PUBLISHED}


def test_a_mirror_with_the_published_form_must_hold_the_published_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"other")
    layout = (RawFile("a", md5("http://127.0.0.1:9/a", b"right")),)
    with pytest.raises(DataError, match="md5 checksum is"):
        mirrors.locate("x", [layout], str(tmp_path))


@pytest.mark.parametrize(("held", "outcome"), [(b"hello\n", mirrors.PUBLISHED), (b"other\n", mirrors.DIFFERENT)])
def test_a_compressed_mirror_is_compared_with_the_published_file(tmp_path: Path, held: bytes, outcome: str) -> None:
    published = Upstream("http://127.0.0.1:9/a", None, "git", "ce013625030ba8dba906f756967f9e9ca394464a")
    (tmp_path / "a.gz").write_bytes(gzip.compress(held))
    location = mirrors.locate("x", [(RawFile("a.gz", None, published),)], str(tmp_path))
    assert location.verified == {"a.gz": outcome}


def test_a_mirror_url_serves_the_first_complete_layout(site: Site) -> None:
    site.files["m/b"] = b"content"
    layouts = [(RawFile("a"),), (RawFile("b"),)]
    location = mirrors.locate("x", layouts, f"{site.url}/m/")
    assert (location.origin, list(location.paths)) == ("mirror", ["b"])
    assert location.verified == {"b": mirrors.MIRROR_ONLY}


def test_a_dataverse_tells_address_size_and_checksum(site: Site, cache: Path) -> None:
    entry = Dataverse(site.url, "doi:10.7910/DVN/X", "f.gz", "CC0")
    listed = [{"dataFile": {"id": 7, "filename": "f.gz", "md5": hashlib.md5(BODY).hexdigest(), "filesize": len(BODY)}}]
    site.files[entry.url.removeprefix(f"{site.url}/")] = json.dumps(
        {"data": {"latestVersion": {"files": listed}}}
    ).encode()
    site.files["api/access/datafile/7"] = BODY
    location = mirrors.locate("geom", [(RawFile("geom/f.gz", entry),)], None)
    assert next(iter(location.paths.values())).read_bytes() == BODY
    with pytest.raises(DataError, match=r"gives no address of g\.gz"):
        mirrors.resolve(Dataverse(site.url, "doi:10.7910/DVN/X", "g.gz"))


def test_fetch_tries_every_source_and_names_the_failed(tmp_path: Path) -> None:
    (tmp_path / "druglike").mkdir()
    (tmp_path / "druglike/druglike.sdf.gz").write_bytes(gzip.compress(b""))
    verb.fetch_all(["druglike"], str(tmp_path))
    with pytest.raises(ConfigError, match="no such source; known: mp20"):
        verb.fetch_all(["mp21"], None)


def test_the_listing_names_every_published_file() -> None:
    text = "\n".join(verb.listing())
    for layouts in SOURCES.values():
        for file in (file for layout in layouts for file in layout):
            assert file.name in text
