"""A finished shard of samples is kept where no rule can lose it, and made again when settings or weights change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adit import config
from adit.cli import main
from adit.store import link


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Replace sampling; return the files that were requested."""
    paths: list[Path] = []

    def sample_shard(
        stage: Any, vae: Path, dit: Path, kind: Any, shard: int, out: Path, timing: Path | None, substituted: Any
    ) -> None:
        paths.append(out)
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(f"{kind} {shard}")

    monkeypatch.setattr("adit.sample.generate.sample_shard", sample_shard)
    return paths


def sample(folder: Path, *extra: str, steps: int = 10, motif: Path | None = None) -> str:
    out = folder / "samples/0.arrow"
    conditions = {"crystal": {"motif": None if motif is None else str(motif)}}
    stage = config.SampleStage.model_validate({"seed": 0, "sample": {"steps": steps, "conditions": conditions}})
    model = ["--config", stage.model_dump_json(), "--vae", str(folder / "vae"), "--dit", str(folder / "dit")]
    words = ["stage", "sample", *model, "--kind", "crystal", "--shard", "0", "--out", str(out), *extra]
    assert main(words) == 0
    return out.read_text()


def test_a_shard_that_was_made_is_not_made_again(tmp_path: Path, calls: list[Path]) -> None:
    state = ["--state", str(tmp_path / "state")]
    assert sample(tmp_path, *state) == "crystal 0"
    (tmp_path / "samples/0.arrow").unlink()  # as the workflow does with the outputs of a job that was cut off
    assert sample(tmp_path, *state) == "crystal 0"
    assert len(calls) == 1
    sample(tmp_path, *state, steps=7)
    assert len(calls) == 2, "other settings, other samples"
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae/config.json").write_text('{"weights_sha256": "new"}')
    sample(tmp_path, *state)
    assert len(calls) == 3, "other weights, other samples"
    (tmp_path / "motif.cif").write_text("one")
    sample(tmp_path, *state, motif=tmp_path / "motif.cif")
    (tmp_path / "motif.cif").write_text("another")
    sample(tmp_path, *state, motif=tmp_path / "motif.cif")
    assert len(calls) == 5, "another motif of the same name, other samples"


def test_without_a_state_nothing_is_kept(tmp_path: Path, calls: list[Path]) -> None:
    sample(tmp_path)
    sample(tmp_path)
    assert len(calls) == 2


def test_a_link_replaces_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "new").write_text("new")
    (tmp_path / "old").write_text("old")
    for _ in range(2):
        link(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "old"]
