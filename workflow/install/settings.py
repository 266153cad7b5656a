"""pip's effective settings, and the same settings for uv.

uv reads neither pip's configuration files nor its environment variables. A machine that reaches its package index
through a mirror, a folder of wheels or its own certificate says so to pip; here uv gets the same settings.
"""

from __future__ import annotations

import ast
import http.client
import os
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from workflow.install.steps import SetupError

# Options of pip that hold several values, separated by white space.
_LISTS = {"extra-index-url", "find-links", "constraint", "trusted-host"}
_TRUE = {"1", "true", "yes", "on", "y", "t"}


def parse_pip_config(listing: str) -> dict[str, str]:
    """Return pip's options from the output of ``pip config list``.

    The environment wins over files, and a section of ``install`` over ``global``, as in pip. ``default-timeout``, pip's
    name of the option in the environment, counts as ``timeout``.
    """
    sections: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in listing.splitlines():
        name, separator, literal = line.partition("=")
        section, _, option = name.rpartition(".")
        if not separator or section not in sections:
            continue
        option = "timeout" if option == "default-timeout" else option
        sections[section][option] = str(ast.literal_eval(literal))
    return sections["global"] | sections["install"] | sections[":env:"]


def read_pip_settings(python: str | Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the effective options of the pip of an interpreter: files, and variables ``PIP_*``.

    Raises:
        SetupError: a file of pip's settings is broken.
    """
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "config", "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(environ))
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise SetupError(
            f"pip cannot read its settings ({last}); mend the file (`pip config debug` lists all), then run `make env`"
        )
    return parse_pip_config(done.stdout)


def wheelhouse_environment(folder: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment in which pip installs from a folder and from nowhere else."""
    kept = {name: value for name, value in environ.items() if not name.startswith("PIP_")}
    return kept | {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": folder.resolve().as_uri()}


def uv_environment(settings: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment in which uv sees what pip sees.

    Args:
        settings: pip's options, see ``read_pip_settings``.
        environ: the environment to start from. Variables ``UV_*`` that choose packages are dropped: two installers that
            read different settings would install different things.

    Returns:
        A whole environment for a subprocess.
    """
    choosing = ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX", "UV_FIND_LINKS", "UV_CONSTRAINT")
    uv = {name: value for name, value in environ.items() if not name.startswith(choosing)}
    # pip weighs all indexes alike; uv's own files are not read, as pip's are not by uv
    uv |= {"UV_NO_CONFIG": "1", "UV_INDEX_STRATEGY": "unsafe-best-match"}
    values = {option: " ".join(value.split()) for option, value in settings.items()}
    names = {
        "index-url": "UV_DEFAULT_INDEX",
        "extra-index-url": "UV_INDEX",
        "constraint": "UV_CONSTRAINT",
        "trusted-host": "UV_INSECURE_HOST",
        "timeout": "UV_HTTP_TIMEOUT",
        "cert": "SSL_CERT_FILE",
        "client-cert": "SSL_CLIENT_CERT",
        "proxy": "ALL_PROXY",
        "keyring-provider": "UV_KEYRING_PROVIDER",
    }
    uv |= {variable: values[option] for option, variable in names.items() if values.get(option)}
    uv |= {name: os.path.expanduser(uv[name]) for name in ("SSL_CERT_FILE", "SSL_CLIENT_CERT") if name in uv}
    if values.get("keyring-provider") in {"auto", "import"}:
        uv["UV_KEYRING_PROVIDER"] = "disabled"
    if links := _links(values.get("find-links", "")):
        uv["UV_FIND_LINKS"] = ",".join(links)
    if "proxy" in values and "HTTPS_PROXY" not in uv:
        uv["HTTPS_PROXY"] = uv["HTTP_PROXY"] = values["proxy"]
    return uv


def unreachable_extra_indexes(settings: Mapping[str, str], timeout_s: float = 10.0) -> list[str]:
    """Return the extra indexes that give no answer; pip leaves them out with a warning, uv would stop at them.

    Any answer counts, also a refusal: only what cannot be connected to is left out. Behind a proxy of pip's settings
    nothing is asked, as Python's own requests would not use it.
    """
    if settings.get("proxy"):
        return []
    addresses = [word for word in settings.get("extra-index-url", "").split() if word.startswith("http")]
    return [address for address in addresses if not _answers(address, timeout_s)]


def _answers(address: str, timeout_s: float) -> bool:
    request = urllib.request.Request(without_credentials(address), method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=timeout_s):
            return True
    except urllib.error.HTTPError:
        return True
    except urllib.error.URLError as error:
        return isinstance(error.reason, ssl.SSLError)  # a certificate that pip's settings may know
    except (OSError, http.client.HTTPException):
        return False


def without_credentials(address: str) -> str:
    """Return an address without the user and password in it."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def without_extra_indexes(settings: Mapping[str, str], addresses: list[str]) -> dict[str, str]:
    """Return settings without some of their extra indexes."""
    kept = [word for word in settings.get("extra-index-url", "").split() if word not in addresses]
    return {**settings, "extra-index-url": " ".join(kept)} if addresses else dict(settings)


def _links(text: str) -> list[str]:
    """Return the addresses and folders of wheels; folders that do not exist are left out, as by pip."""
    words = [word if "://" in word else os.path.expanduser(word) for word in text.split()]
    return [word for word in words if "://" in word or os.path.exists(word)]


def uv_arguments(settings: Mapping[str, str]) -> list[str]:
    """Return the settings that uv accepts only on its command line."""
    return ["--no-index"] if settings.get("no-index", "").lower() in _TRUE else []
