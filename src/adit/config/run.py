"""The whole configuration; the defaults are the paper's run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, Field, model_validator

from adit.columns import Col
from adit.config.ablations import AblationsConfig, changed, chosen_datasets
from adit.config.base import Seed, Stage, Strict
from adit.config.data import DataConfig, LabelsConfig
from adit.config.engines import ENGINES
from adit.config.limits import LimitsConfig, ReadConfig
from adit.config.model import ModelConfig
from adit.config.paths import folder_name
from adit.config.relax import DftConfig, HullConfig, JudgeConfig, RelaxConfig, SelectConfig, StabilityConfig
from adit.config.rounds import RoundsConfig
from adit.config.sample import SampleConfig, TuneConfig
from adit.config.score import LookupConfig, ReportConfig, ScoreConfig
from adit.config.train import LatentsConfig, TrainConfig

S = TypeVar("S", bound=Stage)

COMMAND_BYTES = 1_500_000
"""Largest size of a command of the workflow, bytes; Linux allows 2 MiB of arguments."""


class Config(Strict):
    """The whole run; the defaults are the paper's."""

    name: str = Field(
        "paper",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        max_length=100,
        description="name of the run; its folder is results/<name>",
    )
    results: Annotated[str, AfterValidator(folder_name)] = Field(
        "results",
        min_length=1,
        max_length=1000,
        description="folder of all runs: letters of any script, digits, spaces and . _ - /; no part begins with -",
    )
    seed: Seed = Field(0, description="seed of all random numbers")
    mirror: str | None = Field(
        None, description="folder or URL with copies of the public datasets; tried before the public sources"
    )
    adopt: bool = Field(
        False, description="replace output files that are not in a manifest, e.g. of an earlier version"
    )
    data: DataConfig = DataConfig()
    labels: LabelsConfig = LabelsConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    latents: LatentsConfig = LatentsConfig()
    sample: SampleConfig = SampleConfig()
    tune: TuneConfig = TuneConfig()
    relax: RelaxConfig = RelaxConfig()
    judge: JudgeConfig = JudgeConfig()
    select: SelectConfig = SelectConfig()
    dft: DftConfig = DftConfig()
    hull: HullConfig = HullConfig()
    score: ScoreConfig = ScoreConfig()
    stability: StabilityConfig = StabilityConfig()
    lookup: LookupConfig = LookupConfig()
    report: ReportConfig = ReportConfig()
    ablations: AblationsConfig = AblationsConfig()
    rounds: RoundsConfig = RoundsConfig()
    limits: LimitsConfig = LimitsConfig()
    read: ReadConfig = ReadConfig()

    @model_validator(mode="after")
    def _tuning_has_its_own_seed(self) -> Self:
        if self.tune.seed == self.seed:
            raise ValueError(
                f"tune.seed {self.seed} is the seed of the run; take another, so that no sample serves both"
            )
        return self

    @model_validator(mode="after")
    def _blocks_exist(self) -> Self:
        skipped = {block for kind in self.sample.kinds for block in self.sample.of_kind(kind).skip_blocks}
        if self.model.source == "train" and skipped and max(skipped) >= self.model.dit.layers:
            raise ValueError(f"sample.skip_blocks: model.dit has blocks 0 to {self.model.dit.layers - 1}")
        return self

    @model_validator(mode="after")
    def _formulas_fit_the_kind(self) -> Self:
        def drawn(kind: str) -> bool:
            formula = self.sample.conditions.of(kind).composition
            return self.sample.of_kind(kind).formulas == "training" and (formula is None or "-" in formula)

        if periodic := [kind for kind in self.sample.kinds if kind != "molecule" and drawn(kind)]:
            raise ValueError(
                f"sample.formulas: training would give every {periodic[0]} a known composition; set it for "
                "molecules alone (by_kind.molecule)"
            )
        if self.sample.molecule and self.sample.of_kind("molecule").formulas == "substitution":
            raise ValueError(
                "sample.formulas: substitution exchanges ions; set it for crystals alone (by_kind.crystal)"
            )
        return self

    @model_validator(mode="after")
    def _strain_is_computed(self) -> Self:
        select = self.select.molecule
        if Col.STRAIN in (select.rank_by, *select.window) and not self.relax.molecule.conformers:
            raise ValueError("select.molecule asks for the strain: set relax.molecule.conformers, e.g. to 10")
        return self

    @model_validator(mode="after")
    def _judges_agree(self) -> Self:
        if self.select.rank_by in ("agreement", "disagreement") and self.judge.engine is None:
            raise ValueError(f"select.rank_by {self.select.rank_by} needs a second potential: set judge.engine")
        return self

    @model_validator(mode="after")
    def _variants_fit(self) -> Self:
        for name in self.ablations.autoencoders:
            with _located(f"ablations.autoencoders.{name}"):
                self.autoencoder(name)
        for name in self.ablations.denoisers:
            with _located(f"ablations.denoisers.{name}"):
                self.denoiser(name)
        return self

    @model_validator(mode="after")
    def _rounds_have_weights_and_samples(self) -> Self:
        if not self.rounds.n:
            return self
        if self.model.source == "train":
            raise ValueError("rounds: start from weights; set model.source: finetune-dit and model.weights")
        if self.sample.made_elsewhere:
            raise ValueError("rounds: sample from the model; leave out sample.from and sample.command")
        if not set(self.sample.kinds) - {"mof"}:
            raise ValueError("rounds: need crystals or molecules (sample.crystal, sample.molecule)")
        return self

    @model_validator(mode="after")
    def _commands_fit(self) -> Self:
        files = 4 * sum(self.sample.n_shards(kind) for kind in self.sample.kinds) + 2 * self.n_dft_shards
        if files * len(f"{self.results}/{self.name}/relaxed/molecule/1234.parquet".encode()) > COMMAND_BYTES:
            raise ValueError("sample.shards: so many shards do not fit into one command; take fewer")
        return self

    @property
    def run(self) -> str:
        """Return the folder of the run, ``results/name``."""
        return str(PurePath(self.results) / self.name)

    @property
    def programs(self) -> dict[str, list[str]]:
        """Return the programs that this configuration starts, by key; each is a list of arguments."""
        named = {
            "sample.command": self.sample.words,
            "rounds.score_command": self.rounds.words,
            "dft.command": self.dft.words,
            "score.mofchecker_python": [self.score.mofchecker_python or ""],
            "relax.python": [self.relax.python or ""],
            "judge.python": [self.judge.python or ""],
        }
        return {key: words for key, words in named.items() if any(words)}

    @property
    def n_dft_shards(self) -> int:
        """Return the number of DFT shards of crystals and MOFs: no more than there can be selected structures."""
        most = [self.dft.shards, self.sample.count("crystal") + self.sample.count("mof")]
        return min([*most, *([] if self.select.max_structures is None else [self.select.max_structures])])

    @property
    def dft_molecule_preset(self) -> str:
        """Return the preset of DFT for molecules."""
        return self.dft.molecule.preset or self.dft.preset

    @property
    def n_molecule_dft_shards(self) -> int:
        """Return the number of DFT shards of molecules: no more than there can be selected molecules."""
        most = [self.dft.shards, self.sample.count("molecule")]
        limit = self.select.molecule.max_structures
        return min([*most, *([] if limit is None else [limit])])

    @property
    def on_mp_hull(self) -> bool:
        """Return whether the DFT energies can be compared with those of the Materials Project."""
        return bool(ENGINES[self.dft.engine].corrections.get(self.dft.preset)) and self.hull.of_materials_project

    def autoencoder(self, name: str) -> dict[str, Any]:
        """Return the fields of ``VaeStage`` that a variant changes: data, model, train.

        Args:
            name: a key of ``ablations.autoencoders``.

        Raises:
            ValueError: a dataset or a key that the variant names is unknown, or a value does not fit.
        """
        variant = self.ablations.autoencoders[name]
        return {
            "data": chosen_datasets(self.data, variant.datasets),
            "model": changed(self.model.vae, variant.model),
            "train": changed(self.train.vae, variant.train),
        }

    def denoiser(self, name: str) -> dict[str, Any]:
        """Return the fields of ``DitStage`` that a variant changes: data, model, train.

        Args:
            name: a key of ``ablations.denoisers``.

        Raises:
            ValueError: its autoencoder is not a variant, a key that it names is unknown, or a value does not fit.
        """
        variant = self.ablations.denoisers[name]
        if variant.autoencoder not in self.ablations.autoencoders:
            raise ValueError(f"autoencoder: no variant is called '{variant.autoencoder}'")
        return {
            "data": self.autoencoder(variant.autoencoder)["data"],
            "model": changed(self.model.dit, variant.model),
            "train": changed(self.train.dit, variant.train),
        }

    def stage(self, kind: type[S], **extra: Any) -> S:
        """Return the slice of a stage.

        Args:
            kind: class of the stage.
            extra: fields of the stage that are not in the configuration, e.g. ``dataset``.
        """
        names = [name for name in kind.model_fields if name not in extra and name != "version"]
        return kind(**{name: _dig(self, kind.sources().get(name, name)) for name in names}, **extra)


@contextmanager
def _located(where: str) -> Iterator[None]:
    """Add the place to the message of an error."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _dig(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = getattr(value, name)
    return value
