"""``python -m workflow.install docs``: the tools of the documentation site."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from workflow.install import __main__ as verbs
from workflow.install import packages
from workflow.install.steps import SetupError


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The arguments of the installer, which installs nothing."""
    calls: list[list[str]] = []
    installer = SimpleNamespace(python=tmp_path / "python", install=lambda words, doing: calls.append(words))
    monkeypatch.setattr(packages, "prepare", lambda *arguments: installer)
    monkeypatch.setattr(packages, "DOCS_LOCK", tmp_path / "docs.lock")
    (tmp_path / "docs.lock").write_text("mkdocs==1.0\n")
    return calls


def test_the_tools_of_the_site_do_not_change_locked_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: list[list[str]]
) -> None:
    monkeypatch.setattr(packages, "installed_versions", lambda python: {"mkdocs": "1.0"})
    verbs.set_up_docs(tmp_path, tmp_path / "stamp")
    assert calls == [["-r", str(tmp_path / "docs.lock"), "-c", "requirements.lock"]]
    assert (tmp_path / "stamp").exists()


def test_tools_at_other_versions_leave_no_stamp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: list[list[str]]
) -> None:
    monkeypatch.setattr(packages, "installed_versions", lambda python: {"mkdocs": "0.9"})
    with pytest.raises(SetupError, match="mkdocs not at the locked version"):
        verbs.set_up_docs(tmp_path, tmp_path / "stamp")
    assert not (tmp_path / "stamp").exists()
