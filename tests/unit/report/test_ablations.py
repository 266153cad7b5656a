"""The ablations: the paper's rows, what is refused, and the tables that are made of the variants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from adit import config
from adit.errors import ConfigError, DataError
from adit.report.compare import tuning
from adit.report.compare.ablations import gather_ablations, markdown
from adit.report.compare.figures import sizes
from adit.report.run.inputs import Run, Training
from adit.score.common.aggregate import Rater
from adit.score.mofs.run import mof_records
from adit.score.tools.mofchecker import METRICS
from adit.store import write_json, write_systems
from adit.systems import Kind

ROOT = Path(__file__).parents[3]
TRANSFORMER, EQUIVARIANT = ENCODERS = ("transformer", "equivariant")
TABLE_5 = {
    *(
        ((name,), encoder, d, 1e-4)
        for name in ("mp20", "qm9")
        for encoder in (TRANSFORMER, EQUIVARIANT)
        for d in (4, 8)
    ),
    *((("mp20", "qm9"), TRANSFORMER, d, kl) for d in (4, 8) for kl in (1e-4, 1e-5)),
}
"""Train set, encoder, latent dimension and KL weight of the rows. Source: Table 5."""

SIZES = {"s": (384, 6, 12), "b": (768, 12, 12), "l": (1024, 16, 24)}


@pytest.fixture(scope="module")
def paper() -> config.Config:
    return config.load(ROOT / "config/ablations.yaml")


def row_of(run: config.Config, name: str) -> tuple[tuple[str, ...], str, int, float]:
    fields = run.autoencoder(name)
    names = tuple(d.name for d in fields["data"].datasets)
    return names, fields["model"].encoder, fields["model"].latent_dim, fields["train"].kl_weight


def test_the_autoencoders_are_table_5(paper: config.Config) -> None:
    rows = [row_of(paper, name) for name in paper.ablations.autoencoders if "index" not in name]
    assert set(rows) == TABLE_5 | {(("mp20", "qm9"), EQUIVARIANT, 8, 1e-5)}
    assert len(rows) == len(set(rows))


def test_the_denoisers_are_table_6(paper: config.Config) -> None:
    variants = {}
    for name, variant in paper.ablations.denoisers.items():
        fields = paper.denoiser(name)
        model, encoded = fields["model"], row_of(paper, variant.autoencoder)
        if encoded in TABLE_5 and not model.index_embedding and fields["train"].center_noise:
            variants[encoded, (model.d_model, model.heads, model.layers)] = fields["data"]
    joint = [row for row in TABLE_5 if len(row[0]) == 2]
    larger = {(row, SIZES[size]) for row in joint for size in "bl"}
    assert set(variants) == {(row, SIZES["s"]) for row in TABLE_5} | larger
    assert all(tuple(d.name for d in data.datasets) == row[0] for (row, _), data in variants.items())


def test_the_shipped_ablations_hold_what_the_paper_leaves_open() -> None:
    for name in ("ablations", "ablations-small"):
        run = config.load(ROOT / f"config/{name}.yaml")
        settings = {
            (run.denoiser(variant)["model"].index_embedding, run.denoiser(variant)["train"].center_noise)
            for variant in run.ablations.denoisers
        }
        assert len(settings) == 4, name
        assert {run.autoencoder(variant)["model"].index_embedding for variant in run.ablations.autoencoders} == {
            True,
            False,
        }


@pytest.mark.parametrize(
    ("ablations", "message"),
    [
        ({"autoencoders": {"a": {"model": {"latent": 4}}}}, "ablations.autoencoders.a: latent: Extra inputs"),
        ({"autoencoders": {"a": {"datasets": ["qmof"]}}}, "ablations.autoencoders.a: datasets: 'qmof' is not among"),
        ({"denoisers": {"a": {"autoencoder": "b"}}}, "ablations.denoisers.a: autoencoder: no variant is called 'b'"),
        ({"autoencoders": {"a": {"model": {"heads": 7}}}}, "not a multiple of heads 7"),
        ({"autoencoders": {"A b": {}}}, "ablations.autoencoders.A b"),
    ],
)
def test_variants_that_do_not_fit_are_named(ablations: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace(".", r"\.")):
        config.parse({"ablations": ablations})


def test_kinds_are_those_of_the_datasets() -> None:
    own = {"mine": {"path": "x", "format": "extxyz", "kind": "mof"}}
    names = ["mp20", "qm9", "qmof", "builtin-crystals", "builtin-molecules", "geom-drugs", "druglike", "mine"]
    expected = ["crystal", "molecule", "mof", "crystal", "molecule", "molecule", "molecule", "mof"]
    assert set(names) == {*config.DATASETS, "mine"}
    for name, kind in zip(names, expected, strict=True):
        data = config.parse({"data": {"datasets": [{"name": name}], "custom": own}}).data
        assert config.kinds_of(data) == [kind]


def stored(encoder: str = TRANSFORMER, **model: Any) -> dict[str, Any]:
    return {
        "model": {"encoder": encoder, "latent_dim": 8, "index_embedding": False, **model},
        "train": {"kl_weight": 1e-5, "center_noise": True},
        "parameters": 1_234_567,
        "steps": 40,
        "minutes": 0.5,
        "data_sha256": {"mp20": "0", "qm9": "1"},
    }


def write_variants(folder: Path) -> config.AblationsStage:
    for name, encoder, rate in (("a", TRANSFORMER, 0.5), ("b", EQUIVARIANT, 0.25)):
        write_json(folder / f"vae/{name}/config.json", stored(encoder))
        write_json(folder / f"dit/{name}/config.json", stored(d_model=64, heads=4, layers=2))
        for dataset, rmsd in (("mp20", 0.125), ("qm9", None)):
            values = {"match rate": rate, "RMSD of matches, Å": rmsd}
            write_json(folder / f"reconstructions/{name}/{dataset}.json", values)
        record = {"kind": "crystal", "population": "samples", "protocol": "adit", "metric": "overall_validity"}
        score = {"value": rate, "low": rate - 0.1, "high": rate + 0.1, "denominator": 32}
        records = [{**record, **score}, {**record, **score, "population": "train", "value": 0.9}]
        write_json(folder / f"scores/{name}/summary.json", records)
    variants = {"autoencoders": {"a": {}, "b": {}}, "denoisers": {"a": {"autoencoder": "a"}, "b": {"autoencoder": "b"}}}
    return config.parse({"ablations": variants}).stage(config.AblationsStage)


def test_the_tables_hold_every_variant_with_its_numbers(tmp_path: Path) -> None:
    gather_ablations(write_variants(tmp_path), tmp_path)
    autoencoders = pd.read_csv(tmp_path / "autoencoders.csv").set_index("autoencoder")
    assert autoencoders.loc["b", "mp20 match, %"] == 25.0
    assert autoencoders.loc["a", "mp20 RMSD, Å"] == 0.125
    assert autoencoders["qm9 RMSD, Å"].isna().all()
    denoisers = pd.read_csv(tmp_path / "denoisers.csv").set_index("denoiser")
    assert denoisers.loc["a", ["crystals valid, %", "crystals valid, %: low"]].tolist() == [50.0, 40.0]
    assert denoisers.loc["b", "encoder"] == EQUIVARIANT
    text = (tmp_path / "tables.md").read_text()
    assert "index: no" in text
    assert "| b | equivariant | 25.0 (15.0–35.0) |" in text
    assert "train set: mp20 + qm9" in text


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    stage = write_variants(tmp_path)
    (tmp_path / "reconstructions/b/qm9.json").unlink()
    with pytest.raises(DataError, match=r"reconstructions/b/qm9.json"):
        gather_ablations(stage, tmp_path)
    with pytest.raises(ConfigError, match=r"config/ablations.yaml"):
        gather_ablations(config.AblationsStage(ablations=config.AblationsConfig()), tmp_path)


def test_a_table_of_one_row_keeps_its_columns() -> None:
    text = markdown(pd.DataFrame([{"a": 1, "b": True, "c": None}]))
    assert text.splitlines()[:3] == ["| a | b | c |", "| --- | --- | --- |", "| 1 | yes |  |"]


def mof_summary(value: float | None = 0.5) -> list[dict[str, Any]]:
    """Return the records that the scores write for MOFs, as for ``summary.json``."""
    names = ("mofchecker_all", *METRICS)
    table = [{**dict.fromkeys(names, flag), "status": "ok", "n_atoms": 3} for flag in (True, False)]
    records = mof_records(table, Rater(Kind.MOF, "samples", 0.95), "mofchecker 9.9")
    return [{**record.to_json(), "value": value} for record in records]


def test_mofs_have_their_validity_in_the_tables(tmp_path: Path) -> None:
    stage = write_variants(tmp_path)
    write_json(tmp_path / "scores/a/summary.json", mof_summary())
    gather_ablations(stage, tmp_path)
    denoisers = pd.read_csv(tmp_path / "denoisers.csv").set_index("denoiser")
    assert denoisers.loc["a", ["MOFs valid, %", "samples of a kind"]].tolist() == [50.0, 2.0]


def test_mofs_are_tuned_by_their_validity(tmp_path: Path) -> None:
    point = tmp_path / "point"
    settings = {"solver": "euler", "grid": "uniform", "steps": 10, "guidance": 1.0, "seed": 7}
    write_systems(point / "mof.arrow", [], metadata=settings)
    write_json(point / "mof.json", {"evaluations": 10, "samples": 2, "seconds": 4.0})
    write_json(point / "scores/summary.json", mof_summary())
    tuning.gather_tuning(config.Config().stage(config.TuneStage), [point], tmp_path / "tune")
    points = pd.read_csv(tmp_path / "tune/points.csv")
    assert points[["kind", "validity", "seconds_per_sample"]].to_numpy().tolist() == [["mof", 0.5, 2.0]]
    write_json(point / "scores/summary.json", mof_summary(None))
    with pytest.raises(DataError, match=r"mofchecker_all of mofs has no value \(.*mofchecker 9.9"):
        tuning.gather_tuning(config.Config().stage(config.TuneStage), [point], tmp_path / "tune")


def test_mofs_are_in_the_figure_of_sizes(tmp_path: Path) -> None:
    run = Run(tmp_path, {}, summary=mof_summary(), training={"dit": Training({"parameters": 5}, None)})
    (row,) = sizes([("a", run)]).to_dict("records")
    assert (row["kind"], row["metric"], row["value"]) == ("mof", "mofchecker_all", 0.5)
