"""One validated configuration: frozen, unknown keys are errors; its defaults are the paper's run.

Every stage gets its own slice (``Config.stage``), so that a rule depends on what it uses and on nothing else.
Imports no torch: the Snakefile reads it in every job.
"""

from __future__ import annotations

import difflib
import inspect
import json
import re
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from adit.errors import ConfigError

M = TypeVar("M", bound=BaseModel)
S = TypeVar("S", bound="Stage")

Positive = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]

DATASETS = ("builtin-crystals", "builtin-molecules", "mp20", "qm9")
"""Names of the datasets that ``adit prepare`` knows."""

DatasetName = Literal["builtin-crystals", "builtin-molecules", "mp20", "qm9"]


class Strict(BaseModel):
    """Base of all sections: frozen, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


# --- sections ---------------------------------------------------------------------------------------------------------


class DatasetConfig(Strict):
    """One dataset of the training mixture."""

    name: DatasetName = Field(description="dataset to prepare and train on")
    ratio: PositiveFloat = Field(1.0, description="weight in the training mixture, by systems")
    limit: Positive | None = Field(None, description="use at most this many systems, drawn by the seed; null: all")


class DataConfig(Strict):
    """What to train on."""

    datasets: tuple[DatasetConfig, ...] = Field(
        (DatasetConfig(name="mp20", ratio=0.5), DatasetConfig(name="qm9", ratio=0.5)),
        min_length=1,
        description="training mixture",
    )
    max_atoms: Positive = Field(256, description="larger systems are dropped with a reason")

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [d.name for d in self.datasets]
        if len(set(names)) < len(names):
            raise ValueError("a dataset is named twice")
        return self


class VaeModelConfig(Strict):
    """Autoencoder. Source: Section 2.1, Algorithms 1 and 2, Section 3."""

    d_model: Positive = Field(512, description="hidden dimension")
    heads: Positive = Field(8, description="attention heads")
    encoder_layers: Positive = Field(8, description="layers of the encoder")
    decoder_layers: Positive = Field(8, description="layers of the decoder")
    latent_dim: Positive = Field(8, description="channels of a latent")
    encode_lattice: bool = Field(False, description="give the encoder the lattice parameters too (not in the paper)")

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        return _check_heads(self, self.d_model, self.heads)


class DitModelConfig(Strict):
    """Denoiser. Source: Section 2.2; DiT-B by default."""

    d_model: Positive = Field(768, description="hidden dimension")
    heads: Positive = Field(12, description="attention heads")
    layers: Positive = Field(12, description="blocks")
    normalize_latents: bool = Field(
        False, description="divide each latent channel by its standard deviation (not in the paper)"
    )

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        return _check_heads(self, self.d_model, self.heads)


def _check_heads(section: M, d_model: int, heads: int) -> M:
    if d_model % heads:
        raise ValueError(f"d_model {d_model} is not a multiple of heads {heads}")
    return section


class ModelConfig(Strict):
    """Networks."""

    max_atomic_number: Annotated[int, Field(ge=1, le=118)] = Field(100, description="the vocabulary is Z = 1 … this")
    vae: VaeModelConfig = VaeModelConfig()
    dit: DitModelConfig = DitModelConfig()


class OptimConfig(Strict):
    """What both trainings share. Source: Section 3."""

    max_epochs: Positive = Field(5000, description="stop after this many passes over the training mixture")
    max_steps: Positive | None = Field(None, description="stop after this many optimiser steps; null: no limit")
    max_minutes: PositiveFloat | None = Field(None, description="stop after this much training time, min; null: never")
    batch_size: Positive = Field(256, description="systems per step")
    lr: PositiveFloat = Field(1e-4, description="learning rate of AdamW")
    warmup_steps: Count = Field(0, description="steps of linear warm-up")
    lr_decay: bool = Field(False, description="cosine decay to zero at the end (the paper: constant)")
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.0, description="decoupled weight decay")
    grad_clip: PositiveFloat | None = Field(None, description="largest gradient norm; null: no clipping")
    precision: Literal["auto", "bf16", "fp32"] = Field("auto", description="auto: bf16 where the device is fast at it")
    checkpoint_minutes: PositiveFloat = Field(15.0, description="time between resume states, min")
    val_every: Positive = Field(1000, description="steps between validations")


class VaeTrainConfig(OptimConfig):
    """Training of the autoencoder. Source: Eq. 3-8."""

    kl_weight: Annotated[float, Field(ge=0)] = Field(1e-5, description="weight of the KL divergence")
    denoise_fraction: Fraction = Field(0.1, description="share of atoms masked and perturbed")
    denoise_std: Annotated[float, Field(ge=0)] = Field(0.1, description="standard deviation of the perturbation, Å")
    translation_std: Annotated[float, Field(ge=0)] = Field(1.0, description="random shift of molecules, Å")


class DitTrainConfig(OptimConfig):
    """Training of the denoiser. Source: Section 2.2, Eq. 9-12."""

    ema_decay: Fraction = Field(0.9999, description="decay of the averaged weights")
    label_dropout: Fraction = Field(0.1, description="share of class labels dropped, for guidance")
    self_conditioning: Fraction = Field(0.5, description="share of steps with self-conditioning")
    t_min: Annotated[float, Field(ge=0, lt=1)] = Field(0.01, description="times are drawn from U(t_min, 1)")
    t_clip: Annotated[float, Field(gt=0, lt=1)] = Field(0.9, description="largest time in the weight 1/(1-t)²")
    center_noise: bool = Field(True, description="subtract the per-channel mean of the noise of a system")
    translation_std: Annotated[float, Field(ge=0)] = Field(1.0, description="random shift of molecules, Å")


class TrainConfig(Strict):
    """Training."""

    vae: VaeTrainConfig = VaeTrainConfig()
    dit: DitTrainConfig = DitTrainConfig()


class LatentsConfig(Strict):
    """Latent cache."""

    views: Count = Field(0, description="augmented encodings of each system on disk; 0: encode on the fly (paper)")


class SampleConfig(Strict):
    """Sampling. Source: Algorithm 3."""

    crystal: Count = Field(10000, description="crystals asked for")
    molecule: Count = Field(10000, description="molecules asked for")
    mof: Count = Field(0, description="MOFs asked for")
    shards: Positive = Field(100, description="jobs per kind")
    steps: Positive = Field(500, description="integration steps T")
    guidance: Annotated[float, Field(ge=0)] = Field(2.0, description="classifier-free guidance scale γ")
    batch_atoms: Positive = Field(8192, description="atoms, padding included, in one batch")

    def count(self, kind: str) -> int:
        """Return how many systems of a kind are asked for."""
        return int(getattr(self, kind))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return the kinds that are asked for."""
        return tuple(kind for kind in ("crystal", "molecule", "mof") if self.count(kind))

    def n_shards(self, kind: str) -> int:
        """Return the number of shards of a kind: no shard is empty."""
        return min(self.shards, self.count(kind))

    def bounds(self, kind: str, shard: int) -> tuple[int, int]:
        """Return the first and one past the last global index of a shard."""
        total, shards = self.count(kind), self.n_shards(kind)
        return total * shard // shards, total * (shard + 1) // shards


class RelaxConfig(Strict):
    """Pre-relaxation."""

    engine: Literal["chgnet"] = Field("chgnet", description="machine-learned potential")
    fmax: PositiveFloat = Field(0.05, description="largest force component at convergence, eV/Å")
    max_steps: Positive = Field(500, description="steps of the optimiser")
    wall_limit_s: PositiveFloat = Field(600.0, description="wall time of one structure, s")
    min_distance: Annotated[float, Field(ge=0)] = Field(0.5, description="closer atoms are refused, Å")
    max_volume_per_atom: PositiveFloat = Field(250.0, description="emptier cells are refused, Å³")


class SelectConfig(Strict):
    """Selection for DFT."""

    max_structures: Count | None = Field(None, description="send at most this many; null: all that pass")
    max_e_above_hull: float | None = Field(0.5, description="send those at most this far above the hull, eV/atom")
    max_atoms: Positive | None = Field(None, description="send those of at most this many atoms; null: any")
    rank_by: Literal["stability", "cost"] = Field(
        "stability", description="who goes first: lowest above the hull, or cheapest (then lowest)"
    )


class DftConfig(Strict):
    """DFT relaxation through atomate2."""

    engine: Literal["vasp", "gpaw", "gfn1-xtb"] = Field("vasp", description="what computes energy and forces")
    fallback: Literal["gfn1-xtb"] | None = Field(
        None, description="engine to take, by name, where the first is not installed; null: that is an error"
    )
    preset: str = Field("mp-gga", description="settings file config/dft/<engine>-<preset>.yaml, or mp-gga for VASP")
    wall_limit_s: PositiveFloat = Field(86400.0, description="wall time of one structure, s")
    shards: Positive = Field(100, description="jobs at most")
    command: str | None = Field(None, description="how to start VASP, e.g. 'srun vasp_std'; null: atomate2's setting")


class HullConfig(Strict):
    """Reference energies of the convex hull."""

    reference: Literal["builtin", "mp20-formation-energies"] = Field(
        "mp20-formation-energies",
        description="builtin: compounds and elements of the built-in set, relaxed with the pre-relaxation's potential",
    )


class ScoreConfig(Strict):
    """Scores."""

    controls: Count = Field(1000, description="systems per control row (train, test, noise, random)")
    confidence: Annotated[float, Field(gt=0, lt=1)] = Field(0.95, description="level of the Wilson intervals")
    posebusters: Count | None = Field(None, description="molecules per population sent to PoseBusters; null: all")
    wall_limit_s: PositiveFloat = Field(60.0, description="wall time of one structure's checks, s")


class ReportConfig(Strict):
    """Report."""

    title: str = Field("ADiT discovery run", description="title of the page")
    gallery: Count = Field(12, description="pictures per kind")


class Config(Strict):
    """The whole run; the defaults are the paper's."""

    name: str = Field("paper", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="the run is results/<name>")
    results: str = Field("results", min_length=1, description="folder of all runs")
    seed: Count = Field(0, description="seed of everything random")
    mirror: str | None = Field(None, description="folder or URL with copies of the public datasets, tried first")
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    latents: LatentsConfig = LatentsConfig()
    sample: SampleConfig = SampleConfig()
    relax: RelaxConfig = RelaxConfig()
    select: SelectConfig = SelectConfig()
    dft: DftConfig = DftConfig()
    hull: HullConfig = HullConfig()
    score: ScoreConfig = ScoreConfig()
    report: ReportConfig = ReportConfig()

    def stage(self, kind: type[S], **extra: Any) -> S:
        """Return the slice of a stage; ``extra`` gives the fields that are not sections (e.g. ``dataset``)."""
        names = [name for name in kind.model_fields if name not in extra and name != "version"]
        return kind(**{name: _dig(self, kind.sources().get(name, name)) for name in names}, **extra)


def _dig(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = getattr(value, name)
    return value


# --- slices -----------------------------------------------------------------------------------------------------------


class Stage(Strict):
    """A stage's slice of the configuration; ``version`` is raised when the stage's results change."""

    version: int = 1

    @classmethod
    def sources(cls) -> dict[str, str]:
        """Return where in ``Config`` a field comes from, where it is not the field's own name."""
        return {}


class PrepareStage(Stage):
    """``adit prepare``: one dataset to systems."""

    dataset: DatasetConfig
    seed: int
    mirror: str | None
    max_atoms: int
    max_atomic_number: int

    @classmethod
    def sources(cls) -> dict[str, str]:
        """Return where the fields come from."""
        return {"max_atoms": "data.max_atoms", "max_atomic_number": "model.max_atomic_number"}


class VaeStage(Stage):
    """``adit vae``: train the autoencoder."""

    seed: int
    data: DataConfig
    max_atomic_number: int
    model: VaeModelConfig
    train: VaeTrainConfig

    @classmethod
    def sources(cls) -> dict[str, str]:
        """Return where the fields come from."""
        return {"max_atomic_number": "model.max_atomic_number", "model": "model.vae", "train": "train.vae"}


class EncodeStage(Stage):
    """``adit encode``: the latent cache."""

    seed: int
    latents: LatentsConfig
    translation_std: float

    @classmethod
    def sources(cls) -> dict[str, str]:
        """Return where the fields come from."""
        return {"translation_std": "train.dit.translation_std"}


class DitStage(Stage):
    """``adit dit``: train the denoiser."""

    seed: int
    data: DataConfig
    model: DitModelConfig
    train: DitTrainConfig
    latents: LatentsConfig

    @classmethod
    def sources(cls) -> dict[str, str]:
        """Return where the fields come from."""
        return {"model": "model.dit", "train": "train.dit"}


class SampleStage(Stage):
    """``adit sample``: one shard of samples of one kind."""

    seed: int
    sample: SampleConfig


class RelaxStage(Stage):
    """``adit relax``: pre-relaxation of one shard."""

    relax: RelaxConfig


class ReferenceStage(Stage):
    """``adit reference``: reference energies for the hull."""

    relax: RelaxConfig
    hull: HullConfig
    mirror: str | None


class HullStage(Stage):
    """``adit hull``: energies above the hull."""

    hull: HullConfig


class SelectStage(Stage):
    """``adit select``: which structures go to DFT."""

    select: SelectConfig


class DftStage(Stage):
    """``adit dft``: DFT relaxation of one shard."""

    dft: DftConfig


class ScoreStage(Stage):
    """``adit score``: scores of all kinds."""

    seed: int
    score: ScoreConfig


class ReportStage(Stage):
    """``adit report``: the page."""

    name: str
    report: ReportConfig


# --- reading ----------------------------------------------------------------------------------------------------------


def parse(values: Mapping[str, Any], where: str = "config") -> Config:
    """Validate a mapping.

    Raises:
        ConfigError: one line that names the key, what is wrong and, for an unknown key, the nearest right one.
    """
    return parse_as(Config, values, where)


def parse_as(model: type[M], values: Mapping[str, Any], where: str) -> M:
    """Validate a mapping as any model of this module; see ``parse``."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(f"{where}: {_explain(model, error)}") from None


def load(path: Path | str, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read a YAML file over the defaults; ``overrides`` replace top-level keys."""
    path = Path(path)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; give a file such as config/demo.yaml") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is no YAML: {_one_line(str(error))}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: must be a mapping of keys to values")
    return parse({**values, **(overrides or {})}, str(path))


def load_stage(kind: type[S], text: str, **extra: Any) -> S:
    """Read a stage's slice: JSON as the workflow passes it, or a configuration file to cut it from."""
    if text.lstrip().startswith("{"):
        try:
            values = json.loads(text)
        except ValueError as error:
            raise ConfigError(f"--config: is no JSON: {error}") from None
        return parse_as(kind, values, "--config")
    return load(text).stage(kind, **extra)


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of the configuration, for editors and for the drift test."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}


def _explain(model: type[BaseModel], error: ValidationError) -> str:
    details = error.errors(include_url=False)
    first = details[0]
    key = ".".join(str(part) for part in first["loc"]) or "(whole file)"
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    if first["type"] == "extra_forbidden":
        known = _fields_at(model, first["loc"][:-1])
        near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1, cutoff=0.4)
        way_out = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(known)}"
        return f"{key}: unknown key; {way_out}{more}"
    message = _one_line(re.sub(r"^(Value error, )", "", first["msg"]))
    value = first.get("input")
    given = f" (given: {value!r})" if isinstance(value, (str, int, float, bool, type(None))) else ""
    return f"{key}: {message}{given}{more}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _fields_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """Return the field names of the section at ``loc``."""
    annotation: Any = model
    for part in loc:
        found = _model_in(annotation)
        if found is not None and isinstance(part, str) and part in found.model_fields:
            annotation = found.model_fields[part].annotation
    found = _model_in(annotation)
    return list(found.model_fields) if found else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation
    for inner in typing.get_args(annotation):
        found = _model_in(inner)
        if found is not None:
            return found
    return None
