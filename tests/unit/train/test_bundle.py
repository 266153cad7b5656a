"""Bundles of weights: what is packed comes back, broken files are refused, runs start from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from adit.cli import main
from adit.config import Config, DitStage, SampleStage, VaeStage, parse
from adit.errors import ConfigError, DataError
from adit.sample.engine import Sampler
from adit.sample.generate import sample_shard
from adit.store import read_json, read_systems, read_weights, weights_sha256, write_json
from adit.systems import Kind
from adit.train import bundle
from adit.train.dit import DitTask, train_dit
from adit.train.draws import Draws
from adit.train.vae import train_vae
from tests.unit.train.test_train import data, run_all, tiny

__all__ = ["data"]


@pytest.fixture
def trained(tmp_path: Path, data: list[Path]) -> Path:
    run_all(tmp_path / "first", tiny(), data)
    return tmp_path / "first"


@pytest.fixture
def packed(trained: Path, tmp_path: Path) -> Path:
    bundle.pack(trained / "vae", trained / "dit", tmp_path / "weights", {"steps": 3, "guidance": 1.0})
    return tmp_path / "weights"


def with_source(source: str, weights: Path, **dit: object) -> Config:
    values = tiny(views=0).model_dump()
    values["model"] |= {"source": source, "weights": str(weights)}
    values["model"]["vae"]["d_model"] = values["model"]["dit"]["d_model"] = 32  # the bundle's sizes count, not these
    values["train"]["dit"] |= dit
    return parse(values)


def test_what_is_packed_comes_back(trained: Path, packed: Path) -> None:
    for name, tensor in read_weights(trained / "vae").items():
        assert torch.equal(read_weights(packed / "vae")[name], tensor)
    kept = read_weights(packed / "dit")
    for name, tensor in read_weights(trained / "dit").items():
        assert torch.equal(kept[name], tensor.bfloat16().float())
    assert read_json(packed / "dit/config.json")["vae_sha256"] == weights_sha256(packed / "vae")
    assert set(bundle.read_manifest(packed)["files"]) == {
        f"{part}/{name}" for part in ("vae", "dit") for name in ("model.safetensors", "config.json", "metrics.csv")
    }


def test_large_weights_are_cut_into_shards(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "SHARD_BYTES", 4096)
    bundle.pack(trained / "vae", trained / "dit", tmp_path / "weights")
    shards = sorted((tmp_path / "weights/dit").glob("model-*.safetensors"))
    assert len(shards) > 1
    assert shards[0].name == f"model-00001-of-{len(shards):05}.safetensors"
    kept = read_weights(tmp_path / "weights/dit")
    assert kept.keys() == read_weights(trained / "dit").keys()
    Sampler(tmp_path / "weights/vae", tmp_path / "weights/dit")
    shards[0].unlink()
    with pytest.raises(DataError, match="is missing; fetch the weights again"):
        bundle.read_manifest(tmp_path / "weights")


def test_a_pair_that_does_not_belong_together_is_refused(trained: Path, tmp_path: Path, data: list[Path]) -> None:
    other = tiny().stage(VaeStage).model_copy(update={"seed": 5})
    train_vae(other, data, tmp_path / "other", tmp_path / "state")
    with pytest.raises(DataError, match="another autoencoder"):
        bundle.pack(tmp_path / "other", trained / "dit", tmp_path / "weights")
    with pytest.raises(ConfigError, match="sample"):
        bundle.pack(trained / "vae", trained / "dit", tmp_path / "weights", {"stepz": 3})


def test_a_changed_file_is_refused(packed: Path) -> None:
    path = packed / "dit/config.json"
    path.write_text(path.read_text().replace("{", "{ ", 1))
    with pytest.raises(DataError, match=r"dit/config\.json: is not the file that bundle\.json names"):
        bundle.read_manifest(packed)
    with pytest.raises(DataError, match="no bundle of weights"):
        bundle.read_manifest(packed / "dit")


def test_a_file_of_weights_too_many_is_refused(packed: Path) -> None:
    (packed / "dit/model-00002-of-00002.safetensors").write_bytes((packed / "dit/model.safetensors").read_bytes())
    with pytest.raises(DataError, match=r"model-00002-of-00002\.safetensors: is not among the files"):
        bundle.read_manifest(packed)


@pytest.mark.parametrize("content", ["", "[]", '{"files": {}}', '{"files": 3, "sample": {}}'])
def test_a_broken_list_of_weights_is_one_clear_line(packed: Path, content: str) -> None:
    (packed / bundle.MANIFEST).write_text(content)
    with pytest.raises(DataError, match="is not a list of weights; fetch the weights again"):
        bundle.read_manifest(packed)


def test_changed_weights_are_not_sampled_with_a_configuration(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = packed / "dit/metrics.csv"
    path.write_text(path.read_text() + "\n")
    (tmp_path / "run.yaml").write_text("name: x\n")
    words = ["--config", str(tmp_path / "run.yaml"), "--weights", str(packed), "--kind", "crystal", "--n", "1"]
    assert main(["sample", *words, "--out", str(tmp_path / "x.arrow")]) == 3
    assert "is not the file that bundle.json names" in capsys.readouterr().err


def test_formulas_that_the_weights_do_not_know_are_refused_before_anything_runs(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = read_json(trained / "dit/config.json")
    formulas = record.pop("formula_histograms")
    config = tmp_path / "run.yaml"
    drawn = "{by_kind: {molecule: {formulas: training}}}"
    config.write_text(f"name: x\nmodel: {{source: pretrained, weights: {tmp_path}/w}}\nsample: {drawn}\n")
    for histograms, code in (({"formula_histograms": formulas}, 0), ({}, 2)):
        write_json(trained / "dit/config.json", record | histograms)
        bundle.pack(trained / "vae", trained / "dit", tmp_path / "w")
        assert main(["check", "--config", str(config)]) == code
    assert "do not know the formulas" in capsys.readouterr().err


def test_a_configuration_with_weights_that_are_not_there_is_refused(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "run.yaml"
    config.write_text(f"name: x\nmodel: {{source: pretrained, weights: {packed}}}\n")
    assert main(["check", "--config", str(config)]) == 0
    (packed / "bundle.json").unlink()
    assert main(["check", "--config", str(config)]) == 3
    assert "no bundle of weights" in capsys.readouterr().err


def test_a_run_takes_the_weights_as_they_are(packed: Path, tmp_path: Path, data: list[Path]) -> None:
    config = with_source("pretrained", packed)
    run = tmp_path / "second"
    train_vae(config.stage(VaeStage), data, run / "vae", run / "state/vae")
    train_dit(config.stage(DitStage), run / "vae", data, [], run / "dit", run / "state/dit")
    stage = config.stage(SampleStage)
    for folder, name in ((packed, "bundle"), (run, "run")):
        sample_shard(stage, folder / "vae", folder / "dit", Kind.CRYSTAL, 0, tmp_path / f"{name}.arrow")
    one, other = (list(read_systems(tmp_path / f"{name}.arrow")) for name in ("bundle", "run"))
    assert len(one) == len(other) == 2
    assert [repr(a) for a in one] == [repr(b) for b in other]


def test_a_run_goes_on_from_the_weights(packed: Path, tmp_path: Path, data: list[Path]) -> None:
    values = with_source("finetune", packed, lr=1e-5).model_dump()
    values["data"]["datasets"] = values["data"]["datasets"][:1]  # crystals alone
    config = parse(values)
    run = tmp_path / "third"
    train_vae(config.stage(VaeStage), data[:1], run / "vae", run / "state/vae")
    train_dit(config.stage(DitStage), run / "vae", data[:1], [], run / "dit", run / "state/dit")
    described = read_json(run / "dit/config.json")
    assert described["model"]["d_model"] == 16
    assert described["started_from_sha256"] == weights_sha256(packed / "dit")
    assert set(described["size_histograms"]) == {"crystal", "molecule"}
    assert sum(described["formula_histograms"]["molecule"].values()) == pytest.approx(
        sum(described["size_histograms"]["molecule"].values())
    )
    assert set(described["formula_histograms"]) == {"molecule"}, "of the weights: this run has crystals alone"
    start, end = read_weights(packed / "dit"), read_weights(run / "dit")
    moved = {name: (end[name] - start[name]).abs().max().item() for name in start}
    assert 0.0 < max(moved.values()) < 1e-3


def test_a_label_is_hidden_by_kind(tmp_path: Path, data: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    by_kind = {"crystal": 1.0, "molecule": 0.0}
    values = tiny(views=0).model_dump()
    values["model"]["dit"]["labels"] = [
        {"name": "composition", "type": "composition", "dropout": by_kind},
        {"name": "spacegroup", "type": "category", "classes": 231, "dropout": by_kind},
    ]
    values["train"]["dit"]["label_dropout"] = 0.0
    seen: list[tuple[bool, bool]] = []
    losses = DitTask.losses

    def watched(self: DitTask, rows: np.ndarray, draws: Draws, split: str) -> dict[str, torch.Tensor]:
        conditions = self._conditions(rows, draws, split)
        if split == "train":
            hidden = (conditions.labels["composition"].sum(dim=1) == 0).tolist()
            seen.extend(zip((conditions.kind == Kind.CRYSTAL.label).tolist(), hidden, strict=True))
        return losses(self, rows, draws, split)

    monkeypatch.setattr(DitTask, "losses", watched)
    run_all(tmp_path / "labelled", parse(values), data)
    assert set(seen) == {(True, True), (False, False)}


def test_a_run_that_goes_on_says_how_often_labels_are_hidden(
    tmp_path: Path, data: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    composition = {"name": "composition", "type": "composition", "dropout": 0.7}
    values = tiny(views=0).model_dump()
    values["model"]["dit"]["labels"] = [composition]
    first = tmp_path / "first"
    run_all(first, parse(values), data)
    bundle.pack(first / "vae", first / "dit", tmp_path / "weights")
    config = with_source("finetune-dit", tmp_path / "weights").model_dump()
    config["model"]["dit"]["labels"] = [composition | {"dropout": {"molecule": 0.1}}, {"name": "gap", "type": "number"}]
    run_all(tmp_path / "second", parse(config), data)
    (label,) = read_json(tmp_path / "second/dit/config.json")["model"]["labels"]
    assert label["dropout"] == {"crystal": 0.7, "molecule": 0.1, "mof": 0.7}
    assert "does not have the label gap" in caplog.text


def test_the_denoiser_alone_goes_on(packed: Path, tmp_path: Path, data: list[Path]) -> None:
    config = with_source("finetune-dit", packed, lr=1e-3)
    run = tmp_path / "fourth"
    train_vae(config.stage(VaeStage), data, run / "vae", run / "state/vae")
    train_dit(config.stage(DitStage), run / "vae", data, [], run / "dit", run / "state/dit")
    kept, repacked = read_weights(packed / "vae"), read_weights(run / "vae")
    assert all(torch.equal(kept[name], repacked[name]) for name in kept)
    start, end = read_weights(packed / "dit"), read_weights(run / "dit")
    assert max((end[name] - start[name]).abs().max().item() for name in start) > 0.0
    assert read_json(run / "dit/config.json")["started_from_sha256"] == weights_sha256(packed / "dit")
    bundle.pack(run / "vae", run / "dit", tmp_path / "again")
    assert str(tmp_path) not in (tmp_path / "again/dit/config.json").read_text()


def test_the_decoder_alone_learns(packed: Path, tmp_path: Path, data: list[Path]) -> None:
    values = with_source("finetune", packed, lr=1e-3).model_dump()
    values["train"]["vae"] |= {"freeze_encoder": True, "latent_noise": (0.0, 0.3)}
    stage = parse(values).stage(VaeStage)
    train_vae(stage, data, tmp_path / "vae", tmp_path / "state")
    start, end = read_weights(packed / "vae"), read_weights(tmp_path / "vae")
    moved = {name for name in start if not torch.equal(start[name], end[name])}
    assert moved
    assert all(name.startswith("decoder.") for name in moved)
    with pytest.raises(ConfigError, match=r"freeze_encoder: this needs trained weights"):
        train_vae(stage.model_copy(update={"source": "train"}), data, tmp_path / "vae", tmp_path / "state")
    values["train"]["vae"]["latent_noise"] = (0.3, 0.1)
    with pytest.raises(ConfigError, match="is above"):
        parse(values)


def test_settings_that_the_weights_were_not_made_with_are_refused(
    packed: Path, tmp_path: Path, data: list[Path]
) -> None:
    config = with_source("finetune", packed, center_noise=False)
    train_vae(config.stage(VaeStage), data, tmp_path / "vae", tmp_path / "state/vae")
    with pytest.raises(ConfigError, match=r"train\.dit\.center_noise: the weights .* were trained with true"):
        train_dit(config.stage(DitStage), tmp_path / "vae", data, [], tmp_path / "dit", tmp_path / "state/dit")


def test_the_command_line_packs_and_samples(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    pair = ["--vae", str(trained / "vae"), "--dit", str(trained / "dit")]
    assert main(["bundle", *pair, "--out", "weights", "--sample", "steps=3", "solver=ab2"]) == 0
    assert main(["sample", "--weights", "weights", "--kind", "crystal", "--n", "4", "--out", "x.arrow"]) == 0
    table = read_systems(Path("x.arrow"))
    assert len(list(table)) == 4
    assert table.metadata["steps"] == 3
    assert table.metadata["solver"] == "ab2"
    assert main(["bundle", *pair, "--out", "weights", "--sample", "steps"]) == 2
    assert "give NAME=VALUE" in capsys.readouterr().err
