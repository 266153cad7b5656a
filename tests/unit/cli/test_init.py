"""``adit init`` in a clone."""

from __future__ import annotations

from pathlib import Path

from adit.cli import main

ROOT = Path(__file__).parents[3]


def test_a_new_folder_has_no_files_that_only_a_clone_can_use(tmp_path: Path) -> None:
    assert main(["init", str(tmp_path / "work")]) == 0
    names = {path.name for path in (tmp_path / "work/envs").iterdir()}
    assert names == {path.name for path in (ROOT / "envs").glob("*.yaml")}
