"""Sections of sampling and of its tuning."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import PurePath
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from adit.config.base import Count, Fraction, Kind, Positive, PositiveFloat, Seed, Strict
from adit.config.solvers import SOLVERS, SolverEntry, SolverName

Guidance = Annotated[float, Field(ge=0, le=1000)]
"""Guidance scale γ."""

Formulas = Literal["model", "training", "substitution"]
"""Source of the formulas."""

GridName = Literal["uniform", "quadratic"]
"""Time grid."""

OF_ONE_KIND = (
    *("solver", "grid", "steps", "guidance", "guidance_interval", "skip_guidance", "skip_blocks"),
    *("churn", "eta", "temperature", "tolerance", "formulas"),
)
"""Settings of sampling that can be set for one kind."""


WHATEVER_THE_SOLVER = ("guidance_interval", "skip_guidance", "skip_blocks", "formulas")
"""Those of ``OF_ONE_KIND`` that a grid of solvers, steps and guidance does not change."""


PLACEHOLDERS: Final = ("output", "number", "seed", "kind")
"""Names that are replaced in the arguments of ``sample.command``."""

NEEDED: Final = ("output", "number")
"""Those of ``PLACEHOLDERS`` that have to be in the command."""

_NAME: Final = re.compile(r"\{([A-Za-z_]+)\}")
"""A placeholder; other braces, such as those of a dictionary, are left alone."""


def checked_words(
    key: str, command: str | None, placeholders: Sequence[str], needed: Sequence[str], without: str = ""
) -> None:
    """Check the command of a user's program.

    Args:
        key: key of the configuration, for messages.
        command: the command; ``None``: none, which is right.
        placeholders: names that can be replaced in its arguments.
        needed: names that have to be in its arguments.
        without: what happens without the command, for the message.

    Raises:
        ValueError: it cannot be split into arguments, is empty, begins with no program, lacks a needed placeholder, or
            has an unknown one.
    """
    if command is None:
        return
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ValueError(f"{key}: cannot be split into arguments ({error})") from None
    if not words:
        raise ValueError(f"{key}: is empty; leave it out{without}")
    if not words[0].strip() or words[0].startswith("-"):
        raise ValueError(f"{key}: '{words[0]}' is no program; name it first")
    names = {name for word in words for name in _NAME.findall(word)}
    if unknown := sorted(names - set(placeholders)):
        there = ", ".join(f"{{{name}}}" for name in placeholders)
        raise ValueError(f"{key}: {{{unknown[0]}}} is no placeholder; there are {there}")
    if missing := [name for name in needed if name not in names]:
        raise ValueError(f"{key}: {{{missing[0]}}} is missing; without it the program cannot know it")


def filled(words: list[str], values: dict[str, str]) -> list[str]:
    """Return the arguments with each placeholder replaced by its value; values are not split or replaced again."""
    return [_NAME.sub(lambda match: values[match.group(1)], word) for word in words]


class ConditionsOfKind(Strict):
    """Conditions on the samples of one kind; null: none."""

    atoms: Positive | tuple[Positive, Positive] | None = Field(
        None, description="number of atoms, or [lowest, highest]; null: distribution of the training data"
    )
    spacegroup: Annotated[int, Field(ge=1, le=230)] | None = Field(
        None, description="spacegroup number; the model must have been trained with this label"
    )
    composition: str | None = Field(
        None, description="formula (NaCl2; crystals: any number of units), or chemical system (Li-Fe-O)"
    )
    motif: str | None = Field(None, description="file with atoms that are fixed while the rest is sampled")
    labels: dict[str, float] = Field(default_factory=dict, description="values of other labels of the model")

    @model_validator(mode="after")
    def _one_spacegroup(self) -> Self:
        if "spacegroup" in self.labels:
            raise ValueError("labels.spacegroup: has a key of its own, spacegroup (--spacegroup)")
        return self


class ConditionsConfig(Strict):
    """Conditions by kind."""

    crystal: ConditionsOfKind = ConditionsOfKind()
    molecule: ConditionsOfKind = ConditionsOfKind()
    mof: ConditionsOfKind = ConditionsOfKind()

    @model_validator(mode="after")
    def _molecules_have_no_cell(self) -> Self:
        if self.molecule.spacegroup is not None:
            raise ValueError("molecule.spacegroup: a molecule has none")
        return self

    def of(self, kind: str) -> ConditionsOfKind:
        """Return the conditions of a kind."""
        conditions: ConditionsOfKind = getattr(self, kind)
        return conditions


def _as_word(value: Any) -> Any:
    """Return ``on`` or ``off`` for the boolean that YAML makes of it."""
    return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value


class SampleConfig(Strict):
    """Sampling. Source: Algorithm 3."""

    model_config = ConfigDict(populate_by_name=True)

    from_: str | None = Field(
        None,
        alias="from",
        description="file or folder with samples of another program, in any format of adit score: they are "
        "evaluated instead of samples of this model, at most as many as requested below; null: "
        "samples of this model",
    )
    command: str | None = Field(
        None,
        description="program that writes samples instead of this model, started once per shard, split into arguments "
        "and started without a shell; {output} is an empty folder for its files, {number} how many samples, {seed} a "
        "seed of 31 bits, {kind} crystal, molecule or mof; null: samples of this model",
    )
    command_reads: str | None = Field(
        None, min_length=1, description="file or folder in {output} that has the samples; null: all of {output}"
    )
    command_wall_limit_s: PositiveFloat = Field(86400.0, description="wall-time limit of sample.command per shard, s")
    crystal: Count = Field(10000, description="number of requested crystals")
    molecule: Count = Field(10000, description="number of requested molecules")
    mof: Count = Field(0, description="number of requested MOFs")
    shards: Positive = Field(100, description="number of jobs per kind")
    solver: SolverName = Field("euler", description="solver of the ODE (paper: euler)")
    grid: GridName = Field("uniform", description="time grid of the steps (paper: uniform)")
    steps: Positive = Field(500, description="integration steps T")
    guidance: Guidance = Field(2.0, description="classifier-free guidance scale γ; 1: no guidance, half of the cost")
    guidance_interval: tuple[Fraction, Fraction] = Field(
        (0.0, 1.0), description="time interval with guidance; outside, only the conditional prediction is used"
    )
    skip_guidance: Annotated[float, Field(ge=1, le=1000)] = Field(
        1.0, description="scale ω of guidance by the denoiser itself without some of its blocks; 1: none"
    )
    skip_blocks: tuple[Count, ...] = Field(
        (), description="blocks that are skipped in the weaker denoiser, counted from 0"
    )
    churn: Annotated[float, Field(ge=0)] = Field(0.0, description="solver sde: S_churn, noise added over all steps")
    eta: Annotated[float, Field(ge=0)] = Field(
        0.0,
        description="solver ddim: η, share of the noise that is drawn again in each step (0: none, 1: "
        "ancestral sampler)",
    )
    temperature: Annotated[float, Field(ge=0, le=1)] = Field(
        1.0,
        description="solver ddim: scale of the noise that is drawn again; below 1, more samples are valid "
        "and diversity decreases",
    )
    tolerance: PositiveFloat = Field(1e-3, description="solver adaptive: error tolerance of a step, in latent units")
    formulas: Formulas = Field(
        "model",
        description="source of the composition if none is requested; training: a formula drawn from the training "
        "data (molecules only, with sizes seen in training); substitution: a new formula by ion exchange in those of "
        "the training data (crystals only); model: the model (paper)",
    )
    formulas_known: bool = Field(
        False, description="formulas: substitution may also give formulas of the training data, in other cells"
    )
    batch_atoms: Positive | Literal["auto"] = Field(
        "auto", description="atoms per batch, with padding; auto: depends on the device"
    )
    precision: Literal["auto", "bf16", "fp32"] = Field("auto", description="auto: bf16 if the device computes it fast")
    compile: Annotated[Literal["auto", "on", "off"], BeforeValidator(_as_word)] = Field(
        "auto", description="compile the denoiser; auto: on GPUs"
    )
    by_kind: dict[Kind, dict[str, Any]] = Field(
        default_factory=dict, description="settings (solver to formulas) that override the general ones for one kind"
    )
    conditions: ConditionsConfig = ConditionsConfig()

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.command is not None and self.from_ is not None:
            raise ValueError("from and command are both set; leave one out")
        if self.command is None and self.command_reads is not None:
            raise ValueError("command_reads: belongs to command, which is not set")
        checked_words("command", self.command, PLACEHOLDERS, NEEDED, " to sample from this model")
        reads = PurePath(self.command_reads or ".")
        if reads.is_absolute() or ".." in reads.parts:
            raise ValueError("command_reads: has to be a path within {output}")
        return self

    @property
    def made_elsewhere(self) -> bool:
        """Return whether the samples are not this model's: taken from files, or written by a program."""
        return self.from_ is not None or self.command is not None

    @property
    def words(self) -> list[str]:
        """Return the arguments of ``command``, placeholders as they are."""
        return shlex.split(self.command or "")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        low, high = self.guidance_interval
        if low > high:
            raise ValueError(f"guidance_interval: {low} is above {high}")
        if (self.skip_guidance != 1.0) != bool(self.skip_blocks):
            raise ValueError("skip_guidance above 1 and skip_blocks must be set together")
        for other in self._others(self.solver):
            if any(getattr(self, name) != plain for name, plain in other.options.items()):
                words = f"{' and '.join(other.options)} belong{'s' if len(other.options) == 1 else ''}"
                raise ValueError(f"{words} to solver {other.name}, not to {self.solver}")
        if self.temperature != 1.0 and not self.eta:
            raise ValueError("temperature scales the replaced noise, and eta is 0")
        for kind, own in self.by_kind.items():
            if alien := sorted(set(own) - set(OF_ONE_KIND)):
                raise ValueError(f"by_kind.{kind}: {', '.join(alien)} is not among {', '.join(OF_ONE_KIND)}")
            self.of_kind(kind)
        return self

    def of_kind(self, kind: str) -> SampleConfig:
        """Return the settings of one kind: the general ones, updated with its own.

        Raises:
            ValueError: its own settings do not fit together.
        """
        own = next((own for name, own in self.by_kind.items() if name == kind), {})
        general = self.with_solver(own.get("solver", self.solver)).model_dump(by_alias=True)
        return type(self).model_validate({**general, **own, "by_kind": {}})

    @property
    def stochastic(self) -> bool:
        """Return whether noise is added along the path."""
        return any(getattr(self, each.stochastic) > 0 for each in SOLVERS.values() if each.stochastic)

    def with_solver(self, solver: SolverName) -> SampleConfig:
        """Return these settings with another solver, without the options of the previous one."""
        plain = {name: value for other in self._others(solver) for name, value in other.options.items()}
        return self.model_copy(update={"solver": solver, **plain})

    @property
    def solver_options(self) -> dict[str, float]:
        """Return the options of the solver by name, e.g. ``eta`` of ``ddim``."""
        return {name: getattr(self, name) for name in SOLVERS[self.solver].options}

    @staticmethod
    def _others(solver: str) -> list[SolverEntry]:
        """Return the other solvers; their options are not allowed here."""
        return [each for each in SOLVERS.values() if each.name != solver]

    def at(self, point: TunePoint) -> SampleConfig:
        """Return these settings with those of a point of a grid."""
        kept = {kind: {n: v for n, v in own.items() if n in WHATEVER_THE_SOLVER} for kind, own in self.by_kind.items()}
        return self.with_solver(point.solver).model_copy(update={**point.model_dump(), "by_kind": kept})

    def count(self, kind: str) -> int:
        """Return how many systems of a kind are requested."""
        return int(getattr(self, kind))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return the kinds that are requested."""
        return tuple(kind for kind in ("crystal", "molecule", "mof") if self.count(kind))

    def n_shards(self, kind: str) -> int:
        """Return the number of shards of a kind: no shard is empty."""
        return min(self.shards, self.count(kind))

    def bounds(self, kind: str, shard: int) -> tuple[int, int]:
        """Return the first and one past the last index of a shard among all samples of a kind, from 0."""
        total, shards = self.count(kind), max(1, self.n_shards(kind))
        return total * shard // shards, total * (shard + 1) // shards


class TuneConfig(Strict):
    """Grid over solver, steps and guidance, on its own seed. Source: Fig. 7."""

    samples: Positive = Field(1000, description="systems of each kind per point of the grid")
    seed: Seed | None = Field(
        None, description="seed of the tuning, different from the seed of the run; null: derived from it"
    )
    solvers: tuple[SolverName, ...] = Field(("euler", "ab2"), min_length=1, description="solvers to compare")
    grids: tuple[GridName, ...] = Field(("uniform",), min_length=1, description="time grids to compare")
    steps: tuple[Positive, ...] = Field(
        (10, 50, 100, 250, 500, 1000), min_length=1, description="numbers of steps to compare"
    )
    guidance: tuple[Guidance, ...] = Field(
        (1.0, 2.0, 3.0, 4.0, 6.0), min_length=1, description="guidance scales to compare"
    )

    def points(self) -> list[TunePoint]:
        """Return all points of the grid."""
        return [
            TunePoint(solver=solver, grid=grid, steps=steps, guidance=guidance)
            for solver in self.solvers
            for grid in self.grids
            for steps in self.steps
            for guidance in self.guidance
        ]

    def seed_of(self, reporting: int) -> int:
        """Return the seed of tuning: that of the section, else one that follows from the seed of the run.

        Args:
            reporting: seed of the run.
        """
        return self.seed if self.seed is not None else reporting + TUNING_OFFSET


TUNING_OFFSET = 1_000_003
"""Difference between the seed of a run and that of its tuning."""


class TunePoint(Strict):
    """One point of the grid.

    Attributes:
        solver: name of the solver.
        grid: name of the time grid.
        steps: number of integration steps.
        guidance: guidance scale γ.
    """

    solver: SolverName
    grid: GridName
    steps: int
    guidance: float

    @property
    def name(self) -> str:
        """Return the name of the point's folder."""
        return f"{self.solver}_{self.grid}_{self.steps}_{self.guidance:g}"
