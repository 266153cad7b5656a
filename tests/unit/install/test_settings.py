"""pip's settings, and whether uv installs the same with them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from workflow.install import settings
from workflow.install.packages import normalise

UV = Path(sys.executable).with_name("uv")


def test_the_environment_wins_over_files_and_install_over_global() -> None:
    listing = "\n".join(
        [
            ":env:.find-links='/from/environment'",
            "global.find-links='/from/file'",
            "global.index-url='https://a.example/simple'",
            "install.index-url='https://b.example/simple'",
            ":env:.default-timeout='180'",
            "list.format='columns'",
        ]
    )
    assert settings.parse_pip_config(listing) == {
        "find-links": "/from/environment",
        "index-url": "https://b.example/simple",
        "timeout": "180",
    }


def test_uv_is_told_what_pip_is_told_and_nothing_else(tmp_path: Path) -> None:
    pip = {
        "index-url": "https://a.example/simple",
        "extra-index-url": "\nfile:///srv/one\nfile:///srv/two",
        "find-links": f"{tmp_path} https://b.example/wheels /nowhere",
        "constraint": "/etc/constraints.txt",
        "cert": "/etc/ca.pem",
        "trusted-host": "a.example",
        "no-index": "true",
    }
    uv = settings.uv_environment(pip, {"HOME": "/h", "UV_INDEX_URL": "https://other.example", "UV_CACHE_DIR": "/c"})
    assert uv == {
        "HOME": "/h",
        "UV_CACHE_DIR": "/c",
        "UV_NO_CONFIG": "1",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_DEFAULT_INDEX": "https://a.example/simple",
        "UV_INDEX": "file:///srv/one file:///srv/two",
        "UV_FIND_LINKS": f"{tmp_path},https://b.example/wheels",
        "UV_CONSTRAINT": "/etc/constraints.txt",
        "SSL_CERT_FILE": "/etc/ca.pem",
        "UV_INSECURE_HOST": "a.example",
    }
    assert settings.uv_arguments(pip) == ["--no-index"]


def test_paths_in_a_home_are_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "links").mkdir()
    uv = settings.uv_environment({"find-links": "~/links", "cert": "~/ca.pem"}, {})
    assert (uv["UV_FIND_LINKS"], uv["SSL_CERT_FILE"]) == (f"{tmp_path}/links", f"{tmp_path}/ca.pem")


def wheel(folder: Path, name: str, version: str, needs: str = "") -> None:
    """Write a package that has nothing but its metadata."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + (
        f"Requires-Dist: {needs}\n" if needs else ""
    )
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


def index(root: Path) -> str:
    """Make an index that pip and uv read from the disk; return its address."""
    for folder in [path for path in root.iterdir() if path.is_dir()]:
        links = "".join(f'<a href="{path.name}">{path.name}</a>' for path in folder.glob("*.whl"))
        (folder / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")
    return root.as_uri()


@pytest.fixture
def configured(tmp_path: Path) -> dict[str, str]:
    """An environment in which pip has two indexes, a folder of wheels and a constraint."""
    one, two, links = tmp_path / "one", tmp_path / "two", tmp_path / "links"
    wheel(one / "alpha", "alpha", "1.0", "beta")
    wheel(one / "beta", "beta", "1.0")
    wheel(two / "beta", "beta", "2.0")
    wheel(two / "beta", "beta", "3.0")
    wheel(one / "gamma", "gamma", "1.0")
    wheel(links, "gamma", "1.0+cpu", "delta")
    wheel(one / "delta", "delta", "2.0")
    wheel(two / "delta", "delta", "1.0")
    (tmp_path / "constraints.txt").write_text("beta<3\n")
    config = tmp_path / "pip.conf"
    config.write_text(
        f"[global]\nindex-url = {index(one)}\nextra-index-url = {index(two)}\nfind-links = /nowhere\n"
        f"constraint = {tmp_path}/constraints.txt\n"
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    return environ | {"PIP_CONFIG_FILE": str(config), "PIP_FIND_LINKS": str(links), "PIP_NO_CACHE_DIR": "1"}


def pip_versions(requirements: list[str], environ: dict[str, str]) -> dict[str, str]:
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    done = subprocess.run([*command, *requirements], env=environ, capture_output=True, text=True, check=True)
    entries = [entry["metadata"] for entry in json.loads(done.stdout)["install"]]
    return {normalise(entry["name"]): entry["version"] for entry in entries}


def uv_versions(requirements: list[str], environ: dict[str, str], folder: Path) -> dict[str, str]:
    pip = settings.read_pip_settings(sys.executable, environ)
    (folder / "requirements.in").write_text("\n".join(requirements) + "\n")
    command = [str(UV), "pip", "compile", str(folder / "requirements.in"), "--no-header", "--no-annotate", "--quiet"]
    uv = settings.uv_environment(pip, environ) | {"UV_NO_CACHE": "1"}
    answer = subprocess.run(
        [*command, "--python", sys.executable, *settings.uv_arguments(pip)],
        env=uv,
        capture_output=True,
        text=True,
        check=True,
    )
    pins = [line.split("==") for line in answer.stdout.splitlines() if "==" in line]
    return {normalise(name): version for name, version in pins}


@pytest.mark.skipif(not UV.exists(), reason="the environment was set up by pip alone")
def test_both_installers_take_the_same_versions(configured: dict[str, str], tmp_path: Path) -> None:
    wanted = ["alpha==1.0", "gamma==1.0"]
    versions = pip_versions(wanted, configured)
    assert versions == {"alpha": "1.0", "beta": "2.0", "delta": "2.0", "gamma": "1.0+cpu"}
    assert uv_versions(wanted, configured, tmp_path) == versions


@pytest.mark.slow
@pytest.mark.skipif(not UV.exists(), reason="the environment was set up by pip alone")
def test_both_installers_take_the_same_versions_for_the_lock(tmp_path: Path) -> None:
    lines = (Path(__file__).parents[3] / "requirements.lock").read_text().splitlines()
    wanted = [line for line in lines if not line.startswith("#")]
    assert uv_versions(wanted, dict(os.environ), tmp_path) == pip_versions(wanted, dict(os.environ))


def test_a_wheelhouse_replaces_every_other_source(configured: dict[str, str], tmp_path: Path) -> None:
    environ = settings.wheelhouse_environment(tmp_path / "links", configured)
    pip = settings.read_pip_settings(sys.executable, environ)
    assert pip.pop("config-file") == os.devnull
    assert pip == {"no-index": "1", "find-links": (tmp_path / "links").as_uri()}
    spaced = settings.wheelhouse_environment(tmp_path / "my links", configured)
    assert len(spaced["PIP_FIND_LINKS"].split()) == 1  # pip splits at spaces


def test_an_extra_index_that_does_not_answer_is_left_out() -> None:
    class Refuses(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_error(403)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refuses)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    there, gone = f"http://127.0.0.1:{server.server_port}/simple", "http://user:secret@127.0.0.1:9/simple"
    pip = {"index-url": "https://a.example", "extra-index-url": f"{there}\n{gone}"}
    try:
        assert settings.unreachable_extra_indexes(pip) == [gone]
    finally:
        server.shutdown()
        server.server_close()
    assert settings.without_extra_indexes(pip, [gone]) == {"index-url": "https://a.example", "extra-index-url": there}
    assert settings.without_credentials(gone) == "http://127.0.0.1:9/simple"
    assert settings.unreachable_extra_indexes({**pip, "proxy": "http://127.0.0.1:1"}) == []
