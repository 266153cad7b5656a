"""Finding, downloading and checking raw files: mirrors, upstream, faults."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from adit.data import mp20, qm9, sources
from adit.data.catalogue import DATASETS
from adit.data.sources import RawFile, Upstream
from adit.errors import DataError


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if not self.path.endswith("short.txt"):
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"too short")


@pytest.fixture
def server(tmp_path) -> Iterator[tuple[str, Path]]:
    folder = tmp_path / "www"
    folder.mkdir()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_address[1]}", folder
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("ADIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _write_tables(folder: Path, suffix: str) -> Path:
    (folder / "mp20").mkdir()
    for split in ("train", "val", "test"):
        text = b"material_id,cif\n" + b"".join(b"mp-%d,some text\n" % i for i in range(100))
        (folder / "mp20" / f"{split}{suffix}").write_bytes(gzip.compress(text) if suffix == ".csv.gz" else text)
    return folder


def _left_over(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_git_checksum_is_that_of_a_blob(tmp_path):
    file = tmp_path / "hello"
    file.write_bytes(b"hello\n")
    sources.check(file, Upstream("", 6, "git", "ce013625030ba8dba906f756967f9e9ca394464a"))


def test_download_is_kept_when_its_checksum_holds(server, cache):
    url, folder = server
    (folder / "a.txt").write_bytes(b"content")
    upstream = Upstream(f"{url}/a.txt", 7, "md5", hashlib.md5(b"content").hexdigest())
    path = sources.fetch(upstream, cache / "a.txt")
    assert path.read_bytes() == b"content"
    (folder / "a.txt").unlink()
    assert sources.fetch(upstream, cache / "a.txt") == path


def test_wrong_checksum_names_file_expected_and_found_and_leaves_nothing(server, cache):
    url, folder = server
    (folder / "a.txt").write_bytes(b"content")
    found = hashlib.md5(b"content").hexdigest()
    with pytest.raises(DataError, match=rf"a\.txt: md5 checksum is {found}, expected 00ff; .*MIRROR=") as error:
        sources.fetch(Upstream(f"{url}/a.txt", None, "md5", "00ff"), cache / "a.txt")
    assert "\n" not in str(error.value)
    assert not _left_over(cache)


def test_wrong_size_is_named(server, cache):
    url, folder = server
    (folder / "a.txt").write_bytes(b"content")
    with pytest.raises(DataError, match="has 7 bytes, expected 8"):
        sources.fetch(Upstream(f"{url}/a.txt", 8, "md5", "00ff"), cache / "a.txt")


def test_spoilt_cache_is_found_out(cache):
    cache.mkdir()
    (cache / "a.txt").write_bytes(b"spoilt")
    with pytest.raises(DataError, match=r"a\.txt: md5 checksum is .* delete it"):
        sources.fetch(Upstream("http://127.0.0.1:9/a.txt", None, "md5", "00ff"), cache / "a.txt")


def test_transfer_that_breaks_off_leaves_nothing(server, cache):
    url, _ = server
    with pytest.raises(DataError, match=r"short\.txt: .*broke off"):
        sources.download(f"{url}/short.txt", cache / "short.txt")
    assert not _left_over(cache)


def test_server_that_does_not_answer_gives_the_way_out(cache):
    with pytest.raises(DataError, match=r"cannot be reached .*MIRROR="):
        sources.download("http://127.0.0.1:9/x", cache / "x")


def test_missing_mirror_folder_is_one_line(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such folder") as error:
        DATASETS["mp20"].load(str(tmp_path / "nowhere"))
    assert "\n" not in str(error.value)


def test_dataset_in_neither_mirror_nor_upstream(tmp_path, server, monkeypatch):
    url, _ = server
    layout = (RawFile("mp20/train.csv", Upstream(f"{url}/gone.csv", None, "md5", "00ff")),)
    with pytest.raises(DataError, match=r"mp20: not in the mirror .*gone\.csv: the server answers 404.*MIRROR="):
        sources.locate("mp20", [layout], str(tmp_path))


def test_files_of_one_dataset_never_come_from_two_places(tmp_path, server):
    url, folder = server
    (folder / "a").write_bytes(b"upstream a")
    (folder / "b").write_bytes(b"upstream b")
    layout = tuple(
        RawFile(name, Upstream(f"{url}/{name}", None, "md5", hashlib.md5(f"upstream {name}".encode()).hexdigest()))
        for name in "ab"
    )
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "a").write_bytes(b"mirror a")
    found = sources.locate("x", [layout], str(mirror))
    assert found.origin == "upstream"
    assert {path.read_text() for path in found.paths.values()} == {"upstream a", "upstream b"}


def test_mirror_url_serves_the_first_complete_layout(server):
    url, folder = server
    (folder / "mp20").mkdir()
    for split in ("train", "val", "test"):
        (folder / "mp20" / f"{split}.csv").write_text("material_id,cif\n")
    found = sources.locate("mp20", mp20.LAYOUTS, url)
    assert found.origin == "mirror"
    assert sorted(found.paths) == ["mp20/test.csv", "mp20/train.csv", "mp20/val.csv"]


@pytest.mark.parametrize("suffix", [".csv.gz", ".csv"])
def test_truncated_table_is_one_line(tmp_path, suffix):
    mirror = _write_tables(tmp_path, suffix)
    file = mirror / "mp20" / f"val{suffix}"
    file.write_bytes(file.read_bytes()[:30] if suffix == ".csv.gz" else b"")
    with pytest.raises(DataError, match=r"val\.csv.*cut short or broken") as error:
        DATASETS["mp20"].load(str(mirror))
    assert "\n" not in str(error.value)


def test_table_without_a_column_is_one_line(tmp_path):
    mirror = _write_tables(tmp_path, ".csv")
    (mirror / "mp20" / "test.csv").write_text("material_id,structure\na,b\n")
    with pytest.raises(DataError, match=r"test\.csv: lacks the column cif"):
        DATASETS["mp20"].load(str(mirror))


def test_truncated_parquet_and_archive_are_one_line(tmp_path):
    (tmp_path / "qm9").mkdir()
    for file in qm9.ARCHIVE:
        (tmp_path / file.name).write_bytes(b"BZh91AY&SY\x00\x01")
    with pytest.raises(DataError, match=r"dsgdb9nsd\.xyz\.tar\.bz2: cut short or broken"):
        DATASETS["qm9"].load(str(tmp_path))
    (tmp_path / qm9.PARQUET[0].name).write_bytes(b"PAR1 and then nothing")
    with pytest.raises(DataError, match=r"qm9_hcno\.parquet: cut short or broken"):
        DATASETS["qm9"].load(str(tmp_path))
