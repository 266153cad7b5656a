"""Section of rounds, and the configuration of each round: that of a run, with other weights and more data."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, get_args

from pydantic import Field, model_validator

from adit.config.base import Fraction, PositiveFloat, Strict
from adit.config.sample import checked_words
from adit.errors import ConfigError
from adit.expressions import parse_condition

if TYPE_CHECKING:
    from adit.config.run import Config

KeptKind = Literal["crystal", "molecule"]
"""Kind that rounds can keep."""

NonEmpty = Annotated[str, Field(min_length=1)]
"""Text of at least one character."""

SCORE_PLACEHOLDERS: Final = ("table", "structures", "output", "kind")
"""Names that are replaced in the arguments of ``rounds.score_command``."""

KEPT_DATASET = "kept-{kind}"
"""Name of the dataset of kept structures of a kind."""


class FloorsConfig(Strict):
    """What a round must reach; below, the loop stops before the next training."""

    kept: Annotated[int, Field(ge=1)] = Field(1, description="kept structures of each kind")
    uniqueness: Fraction = Field(0.5, description="share of the valid samples that are unique")
    novelty: Fraction = Field(0.5, description="share of the valid samples that are novel")


class RoundRecord(Strict):
    """How the data of a round were selected: part of the record of its weights."""

    number: Annotated[int, Field(ge=1)] = Field(description="rounds of this loop up to these weights")
    control: bool = Field(description="fine-tuned on the data alone")
    mix: float = Field(0.0, description="share of the kept structures in the training mixture")
    potential: str | None = Field(None, description="potential of the filter of crystals; null: no crystals")
    hull: str | None = Field(None, description="reference of the hull of the filter of crystals; null: no crystals")
    keep: NonEmpty | dict[KeptKind, NonEmpty] | None = Field(None, description="the user's condition; null: none")
    score_command: str | None = Field(
        None, description="the user's program that adds columns for the condition; null: none"
    )


class RoundsConfig(Strict):
    """Rounds: sample, verify, keep, fine-tune on the data and what was kept."""

    n: Annotated[int, Field(ge=0, le=100)] = Field(
        0, description="rounds of fine-tuning after round 0, which samples from model.weights; 0: no rounds"
    )
    mix: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.3, description="share of the kept structures in the training mixture; the rest is the data"
    )
    keep: NonEmpty | dict[KeptKind, NonEmpty] | None = Field(
        None,
        description="condition on the columns of the scores that a sample must also fulfil, e.g. e_above_hull < 0.05 "
        "and not has_Co; or one for each kind: {crystal: …, molecule: …}; null: none",
    )
    score_command: str | None = Field(
        None,
        description="program that adds columns for keep, started once per round and kind with the samples that pass "
        "all other tests, split into arguments and started without a shell; {table} is a CSV file of their scores, "
        "{structures} an extended XYZ file, {output} the CSV file to write, with the column system_id, {kind} crystal "
        "or molecule; null: none",
    )
    score_command_wall_limit_s: PositiveFloat = Field(86400.0, description="wall-time limit of score_command, s")
    control: bool = Field(True, description="in each round, also fine-tune on the data alone, for as many steps")
    floors: FloorsConfig = FloorsConfig()
    record: RoundRecord | None = Field(
        None, description="in the configuration of a round, how its data were selected; set by the loop, not by users"
    )

    @model_validator(mode="after")
    def _condition_reads(self) -> Self:
        for kind in get_args(KeptKind):
            if (text := condition_of(self.keep, kind)) is not None:
                try:
                    parse_condition(text, "keep")
                except ConfigError as error:
                    raise ValueError(str(error)) from None
        return self

    @model_validator(mode="after")
    def _command_fits(self) -> Self:
        checked_words("score_command", self.score_command, SCORE_PLACEHOLDERS, ("structures", "output"))
        return self

    @property
    def words(self) -> list[str]:
        """Return the arguments of ``score_command``, placeholders as they are."""
        return shlex.split(self.score_command or "")


def condition_of(keep: str | Mapping[KeptKind, str] | None, kind: str) -> str | None:
    """Return the condition of a kind: its own, or the one for all kinds; ``None`` if it has none."""
    return keep if keep is None or isinstance(keep, str) else keep.get(kind)  # type: ignore[call-overload]


def rounds_folder(config: Config) -> str:
    """Return the folder of all rounds."""
    return config.run


def kept_file(config: Config, kind: str, number: int) -> str:
    """Return the path of the file with the structures that rounds 0 to ``number`` kept."""
    return str(PurePath(rounds_folder(config)) / f"kept/{kind}-{number}.arrow")


def kept_kinds(config: Config) -> list[str]:
    """Return the kinds that rounds sample and keep."""
    return [kind for kind in config.sample.kinds if kind != "mof"]


def round_configs(config: Config) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the configuration of each round and control, in the order in which they can run."""
    for number in range(config.rounds.n + 1):
        yield f"round-{number}", _of_round(config, number, control=False)
        if number and config.rounds.control:
            yield f"control-{number}", _of_round(config, number, control=True)


def _of_round(config: Config, number: int, *, control: bool) -> dict[str, Any]:
    folder = PurePath(rounds_folder(config))
    values: dict[str, Any] = config.model_dump(mode="json", by_alias=True)
    values |= {"rounds": {}, "results": str(folder), "name": f"{'control' if control else 'round'}-{number}"}
    values["seed"] = config.seed + number
    if number == 0:
        values["model"] |= {"source": "pretrained"}
        return values
    before = f"{'control' if control and number > 1 else 'round'}-{number - 1}"
    values["model"] |= {"source": "finetune-dit", "weights": str(folder / before / "weights")}
    values["rounds"] = {"record": _record(config, number, control=control).model_dump(mode="json")}
    if not control:
        _add_kept(values, config, number)
    return values


def _record(config: Config, number: int, *, control: bool) -> RoundRecord:
    """Return what decided the data of a round; nothing else, for a change of it trains the round again."""
    if control:
        return RoundRecord(number=number, control=True)
    crystals = "crystal" in kept_kinds(config)
    return RoundRecord(
        number=number,
        control=False,
        mix=config.rounds.mix,
        potential=config.relax.engine if crystals else None,
        hull=config.hull.reference if crystals else None,
        keep=config.rounds.keep,
        score_command=config.rounds.score_command,
    )


def _add_kept(values: dict[str, Any], config: Config, number: int) -> None:
    """Add the structures that were kept before a round to its data, which stay in the mixture against forgetting."""
    kinds, data = kept_kinds(config), values["data"]
    total = sum(dataset["ratio"] for dataset in data["datasets"])
    for dataset in data["datasets"]:
        dataset["ratio"] *= (1.0 - config.rounds.mix) / total
    for kind in kinds:
        name = KEPT_DATASET.format(kind=kind)
        data["datasets"].append({"name": name, "ratio": config.rounds.mix / len(kinds)})
        split = {"by": "column", "column": "split"}
        licence = "made by this loop"
        path = kept_file(config, kind, number - 1)
        data["custom"][name] = {"path": path, "kind": kind, "split": split, "licence": licence}
