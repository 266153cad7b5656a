"""The pins: one lock, and conda environments that do not drift from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


def lock() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return dict(line.lower().split("==") for line in lines if line and not line.startswith("#"))


def test_the_lock_pins_everything_and_torch_by_name() -> None:
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line), line
    assert lock()["torch"] == "2.13.0"


def test_what_is_compiled_here_is_named_by_its_hash() -> None:
    lines = [line for line in (ROOT / "requirements-gpaw.lock").read_text().splitlines() if not line.startswith("#")]
    assert [line.split("==")[0] for line in lines] == ["gpaw", "gpaw-data"]
    assert all(re.search(r" --hash=sha256:[0-9a-f]{64}$", line) for line in lines)


def test_build_tools_are_locked() -> None:
    from workflow.install.packages import BUILD_TOOLS, UV_LOCK, normalise, read_lock

    assert {normalise(name) for name in BUILD_TOOLS} <= set(read_lock(ROOT / "requirements.lock"))
    assert list(read_lock(ROOT / UV_LOCK)) == ["uv"]


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda p: p.name)
def test_conda_environments_keep_the_locks_pins(path: Path) -> None:
    pip = next(d["pip"] for d in yaml.safe_load(path.read_text())["dependencies"] if isinstance(d, dict))
    pinned = lock()
    for requirement in pip:
        name, version = requirement.lower().split("==")
        assert pinned[name] == version, requirement


def test_the_tools_of_the_site_fit_the_lock() -> None:
    """No package has two pins."""
    from workflow.install.packages import DOCS_LOCK, read_lock

    assert not set(read_lock(ROOT / DOCS_LOCK)) & set(read_lock(ROOT / "requirements.lock"))


def test_every_declared_dependency_is_locked() -> None:
    import tomllib

    from workflow.install.packages import DOCS_LOCK, read_lock

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = project["dependencies"] + project["optional-dependencies"]["dev"]
    names += project["optional-dependencies"]["equivariant"]
    docs = project["optional-dependencies"]["docs"]
    assert {re.split(r"[>\[]", name)[0] for name in docs} <= set(read_lock(ROOT / DOCS_LOCK))
    declared = {re.split(r"[<>=\[]", name)[0].lower().replace("_", "-") for name in names}
    assert declared <= {name.replace("_", "-") for name in lock()}
