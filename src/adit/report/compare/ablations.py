"""Ablations: results of each variant of autoencoder and denoiser, as rows of Tables 5 and 6.

Reads:  vae/<variant>/config.json, reconstructions/<variant>/<dataset>.json, dit/<variant>/config.json,
        scores/<variant>/summary.json
Writes: autoencoders.csv, denoisers.csv, tables.md
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adit import store
from adit.columns import Metric
from adit.config import AblationsStage
from adit.errors import ConfigError
from adit.outputs.replace import replaced_folder
from adit.progress import log

if TYPE_CHECKING:
    import pandas as pd

VALIDITY: Final = {
    ("crystal", "adit", Metric.STRUCTURAL_VALIDITY): "crystals structure valid, %",
    ("crystal", "adit", Metric.COMPOSITIONAL_VALIDITY): "crystals composition valid, %",
    ("crystal", "adit", Metric.OVERALL_VALIDITY): "crystals valid, %",
    ("molecule", "strict", Metric.VALIDITY): "molecules valid, %",
    ("molecule", "edm", Metric.VALIDITY): "molecules valid by EDM's bonds, %",
    ("molecule", "adit", Metric.PDB_VALIDITY): "molecules valid as in the paper, %",
    ("mof", "mofchecker", Metric.MOFCHECKER_ALL): "MOFs valid, %",
}
"""Shown scores: (kind, protocol, metric) → column."""

NAMES: Final = ("autoencoders.csv", "denoisers.csv", "tables.md")
"""Files of a comparison of variants."""

RECONSTRUCTED: Final = {"match rate": ("match, %", 100.0), "RMSD of matches, Å": ("RMSD, Å", 1.0)}
"""Shown numbers of a reconstruction: name → column and factor."""


def gather_ablations(stage: AblationsStage, folder: Path) -> None:
    """Write the rows of all variants as CSV and as Markdown tables.

    Args:
        stage: slice of the configuration, with the variants.
        folder: folder of the variants' results, and of the tables.

    Raises:
        ConfigError: there is no variant, or a file to write was not written by this verb.
        DataError: a variant lacks a file.
    """
    import pandas as pd

    ablations = stage.ablations
    if not ablations.autoencoders:
        raise ConfigError("ablations.autoencoders: there is no variant; use config/ablations.yaml, or add variants")
    autoencoders = {name: autoencoder_row(folder, name) for name in ablations.autoencoders}
    denoisers = [
        denoiser_row(folder, name, autoencoders[variant.autoencoder]) for name, variant in ablations.denoisers.items()
    ]
    tables = [pd.DataFrame(list(autoencoders.values())), pd.DataFrame(denoisers)]
    inputs = [folder / name for name in ("vae", "dit", "reconstructions", "scores")]
    with replaced_folder(folder, "ablations", inputs=inputs, names=NAMES) as new:
        for table, name in zip(tables, ("autoencoders", "denoisers"), strict=True):
            store.write_frame(new / f"{name}.csv", table)
        store.write_text(new / "tables.md", "\n".join(markdown(table) for table in tables if len(table)))
    log.info("%d autoencoders and %d denoisers: %s", len(autoencoders), len(denoisers), folder / "tables.md")


def autoencoder_row(folder: Path, name: str) -> dict[str, Any]:
    """Return the row of an autoencoder: settings, training time (min) and reconstruction (%, Å).

    Raises:
        DataError: a file of the variant is missing or broken.
    """
    stored = store.read_json(folder / f"vae/{name}/config.json")
    model, train = stored["model"], stored["train"]
    row: dict[str, Any] = {
        "autoencoder": name,
        "train set": " + ".join(stored["data_sha256"]),
        "encoder": model["encoder"],
        "latent": model["latent_dim"],
        "KL": train["kl_weight"],
        "index": model["index_embedding"],
        **_training(stored),
    }
    for dataset in stored["data_sha256"]:
        record = store.read_json(folder / f"reconstructions/{name}/{dataset}.json")
        for key, (column, factor) in RECONSTRUCTED.items():
            row[f"{dataset} {column}"] = None if record[key] is None else record[key] * factor
    return row


def denoiser_row(folder: Path, name: str, autoencoder: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a denoiser: settings, training time (min) and validity of its samples (%).

    Args:
        folder: folder of the variants' results.
        name: name of the variant.
        autoencoder: row of its autoencoder.

    Raises:
        DataError: a file of the variant is missing or broken.
    """
    stored = store.read_json(folder / f"dit/{name}/config.json")
    model, train = stored["model"], stored["train"]
    row: dict[str, Any] = {
        "denoiser": name,
        "train set": autoencoder["train set"],
        "encoder": autoencoder["encoder"],
        "latent": autoencoder["latent"],
        "KL": autoencoder["KL"],
        "index in autoencoder": autoencoder["index"],
        "width, heads, layers": f"{model['d_model']}, {model['heads']}, {model['layers']}",
        "index": model["index_embedding"],
        "noise centred": train["center_noise"],
        **_training(stored),
    }
    for record in store.read_json(folder / f"scores/{name}/summary.json"):
        column = VALIDITY.get((record["kind"], record["protocol"], record["metric"]))
        if column and record["population"] == "samples" and record["value"] is not None:
            row["samples of a kind"] = record["denominator"]
            row |= {column: 100 * record["value"]}
            row |= {f"{column}: {end}": 100 * record[end] for end in ("low", "high")}
    return row


def _training(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {"parameters, M": stored["parameters"] / 1e6, "steps": stored["steps"], "minutes": stored["minutes"]}


def markdown(table: pd.DataFrame) -> str:
    """Return a Markdown table; columns with the same value in all rows are listed below it."""
    ends = [name for name in table if name.endswith((": low", ": high"))]
    names = [name for name in table if name not in ends and (len(table) == 1 or table[name].nunique(dropna=False) > 1)]
    rows = [[_cell(row, name) for name in names] for row in table.to_dict("records")]
    same = [f"{name}: {_text(table[name].iloc[0])}" for name in table if name not in [*names, *ends]]
    lines = [_line(names), _line(["---"] * len(names)), *map(_line, rows)]
    return "\n".join([*lines, "", *([f"Common settings: {'; '.join(same)}."] if same else []), ""])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(row: Mapping[str, Any], name: str) -> str:
    text = _text(row[name])
    if text and f"{name}: low" in row:
        return f"{text} ({_text(row[f'{name}: low'])}–{_text(row[f'{name}: high'])})"
    return text


def _text(value: Any) -> str:
    if str(value) in ("True", "False"):  # Python's, or NumPy's
        return "yes" if value else "no"
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float):
        return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"
    return str(value)
