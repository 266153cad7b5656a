"""Each stage's slice of the configuration: a rule depends on what it uses and on nothing else."""

from __future__ import annotations

from pydantic import Field

from adit.config.ablations import AblationsConfig
from adit.config.base import Stage
from adit.config.data import ChosenDataset, CustomDataset, DataConfig, LabelsConfig
from adit.config.limits import LimitsConfig, ReadConfig
from adit.config.model import DitModelConfig, ModelSource, VaeModelConfig
from adit.config.relax import (
    DftConfig,
    HullConfig,
    JudgeConfig,
    MoleculeRelaxConfig,
    MoleculeSelectConfig,
    RelaxConfig,
    SelectConfig,
    StabilityConfig,
)
from adit.config.rounds import FloorsConfig, KeptKind, RoundRecord
from adit.config.sample import SampleConfig, TuneConfig
from adit.config.score import LookupConfig, ReportConfig, ScoreConfig
from adit.config.train import DitTrainConfig, LatentsConfig, VaeTrainConfig

_FROM = {"source": "model.source", "weights": "model.weights"}
_OF_CRYSTALS = {"relax": "relax.of_crystals"}


class PrepareStage(Stage):
    """``adit prepare``: normalise the systems of one dataset."""

    version: int = 2
    dataset: ChosenDataset
    custom: CustomDataset | None
    seed: int
    max_atoms: int
    max_atomic_number: int
    limits: LimitsConfig = LimitsConfig()
    read: ReadConfig = ReadConfig()

    @classmethod
    def sources(cls) -> dict[str, str]:
        """Return the path in ``Config`` of the fields whose path is not their name."""
        return {"max_atoms": "data.max_atoms", "max_atomic_number": "model.max_atomic_number"}


class LabelsStage(Stage):
    """``adit stage labels``: computed labels of one dataset."""

    version: int = 1
    seed: int
    labels: LabelsConfig


class VaeStage(Stage):
    """``adit vae``: train the autoencoder."""

    version: int = 3
    seed: int
    data: DataConfig
    max_atomic_number: int
    model: VaeModelConfig
    train: VaeTrainConfig
    source: ModelSource = "train"
    weights: str = "weights"

    @classmethod
    def sources(cls) -> dict[str, str]:
        """Return the path in ``Config`` of the fields whose path is not their name."""
        return {"max_atomic_number": "model.max_atomic_number", "model": "model.vae", "train": "train.vae"} | _FROM


class EncodeStage(Stage):
    """``adit encode``: the latent cache."""

    version: int = 2
    seed: int
    latents: LatentsConfig
    translation_std: float
    augment: bool

    @classmethod
    def sources(cls) -> dict[str, str]:
        """Return the path in ``Config`` of the fields whose path is not their name."""
        return {"translation_std": "train.dit.translation_std", "augment": "train.dit.augment"}


class DitStage(Stage):
    """``adit dit``: train the denoiser."""

    version: int = 3
    seed: int
    data: DataConfig
    model: DitModelConfig
    train: DitTrainConfig
    latents: LatentsConfig
    source: ModelSource = "train"
    weights: str = "weights"
    round: RoundRecord | None = Field(None, exclude_if=lambda record: record is None)

    @classmethod
    def sources(cls) -> dict[str, str]:
        """Return the path in ``Config`` of the fields whose path is not their name."""
        return {"model": "model.dit", "train": "train.dit", "round": "rounds.record"} | _FROM


class SampleStage(Stage):
    """``adit stage sample``: one shard of samples of one kind."""

    version: int = 3
    seed: int
    sample: SampleConfig
    max_atoms: int = 256

    @classmethod
    def sources(cls) -> dict[str, str]:
        """Return the path in ``Config`` of the fields whose path is not their name."""
        return {"max_atoms": "data.max_atoms"}


class TakeStage(Stage):
    """``adit stage take``: samples of another program instead of this model's."""

    from_: str | None
    crystal: int
    molecule: int
    mof: int
    limits: LimitsConfig = LimitsConfig()
    read: ReadConfig = ReadConfig()

    @classmethod
    def sources(cls) -> dict[str, str]:
        """Return the path in ``Config`` of the fields whose path is not their name."""
        kinds = {kind: f"sample.{kind}" for kind in ("crystal", "molecule", "mof")}
        return {**kinds, "from_": "sample.from_"}


class CommandStage(Stage):
    """``adit stage sample-command``: one shard of samples of a user's program."""

    version: int = 1
    seed: int
    command: str | None
    command_reads: str | None
    command_wall_limit_s: float
    crystal: int
    molecule: int
    mof: int
    shards: int
    limits: LimitsConfig = LimitsConfig()
    read: ReadConfig = ReadConfig()

    @classmethod
    def sources(cls) -> dict[str, str]:
        """Return the path in ``Config`` of the fields whose path is not their name."""
        own = ("command", "command_reads", "command_wall_limit_s", "crystal", "molecule", "mof", "shards")
        return {name: f"sample.{name}" for name in own}

    @property
    def sample(self) -> SampleConfig:
        """Return the counts and shards as a section of the configuration."""
        return SampleConfig(crystal=self.crystal, molecule=self.molecule, mof=self.mof, shards=self.shards)


class TuneStage(Stage):
    """``adit stage tune``: comparison of the points of the grid."""

    seed: int
    tune: TuneConfig


class AblationsStage(Stage):
    """``adit stage ablations``: comparison of the variants."""

    ablations: AblationsConfig


class RelaxStage(Stage):
    """``adit stage relax``: pre-relaxation of one shard."""

    version: int = 2
    relax: RelaxConfig

    @classmethod
    def sources(cls) -> dict[str, str]:
        """Return the path in ``Config`` of the fields whose path is not their name."""
        return _OF_CRYSTALS


class MoleculeRelaxStage(Stage):
    """``adit stage relax-molecules``: relaxation of one shard of molecules."""

    version: int = 1
    molecule: MoleculeRelaxConfig

    @classmethod
    def sources(cls) -> dict[str, str]:
        """Return the path in ``Config`` of the fields whose path is not their name."""
        return {"molecule": "relax.molecule"}


class ReferenceStage(Stage):
    """``adit stage reference``: reference energies for the hull."""

    version: int = 2
    relax: RelaxConfig
    hull: HullConfig
    limits: LimitsConfig = LimitsConfig()

    @classmethod
    def sources(cls) -> dict[str, str]:
        """Return the path in ``Config`` of the fields whose path is not their name."""
        return _OF_CRYSTALS


class JudgeStage(Stage):
    """``adit stage judge``: the energies of a second potential for one shard of relaxed crystals, and its hull."""

    version: int = 1
    relax: RelaxConfig
    judge: JudgeConfig
    hull: HullConfig
    limits: LimitsConfig = LimitsConfig()

    @classmethod
    def sources(cls) -> dict[str, str]:
        """Return the path in ``Config`` of the fields whose path is not their name."""
        return _OF_CRYSTALS


class HullStage(Stage):
    """``adit stage hull``: energies above the hull."""

    version: int = 3
    hull: HullConfig
    relax: RelaxConfig = RelaxConfig()
    limits: LimitsConfig = LimitsConfig()
    judge: JudgeConfig = JudgeConfig()

    @classmethod
    def sources(cls) -> dict[str, str]:
        """Return the path in ``Config`` of the fields whose path is not their name."""
        return _OF_CRYSTALS


class SelectStage(Stage):
    """``adit stage select``: selection of structures for DFT."""

    version: int = 2
    select: SelectConfig
    engine: str
    preset: str
    limits: LimitsConfig = LimitsConfig()

    @classmethod
    def sources(cls) -> dict[str, str]:
        """Return the path in ``Config`` of the fields whose path is not their name."""
        return {"engine": "dft.engine", "preset": "dft.preset", "select": "select.of_crystals"}


class MoleculeSelectStage(Stage):
    """``adit stage select-molecules``: selection of molecules for DFT."""

    version: int = 1
    select: MoleculeSelectConfig
    engine: str
    preset: str

    @classmethod
    def sources(cls) -> dict[str, str]:
        """Return the path in ``Config`` of the fields whose path is not their name."""
        return {"engine": "dft.engine", "preset": "dft_molecule_preset", "select": "select.molecule"}


class DftStage(Stage):
    """``adit stage dft``: DFT relaxation of one shard, or of the references of its hull."""

    version: int = 2
    dft: DftConfig
    limits: LimitsConfig = LimitsConfig()

    @classmethod
    def sources(cls) -> dict[str, str]:
        """Return the path in ``Config`` of the fields whose path is not their name."""
        return {"dft": "dft.of_crystals"}


class MoleculeDftStage(DftStage):
    """``adit stage dft --molecules``: DFT relaxation of one shard of molecules."""

    @classmethod
    def sources(cls) -> dict[str, str]:
        """Return the path in ``Config`` of the fields whose path is not their name."""
        return {}


class ScoreStage(Stage):
    """``adit stage score``: scores of all kinds."""

    version: int = 6
    seed: int
    score: ScoreConfig
    limits: LimitsConfig = LimitsConfig()


class ChecksStage(Stage):
    """``adit stage checks``: the slow checks of one shard of samples."""

    version: int = 2
    seed: int
    posebusters: int | None
    mofchecker_python: str | None
    wall_limit_s: float

    @classmethod
    def sources(cls) -> dict[str, str]:
        """Return the path in ``Config`` of the fields whose path is not their name."""
        return {name: f"score.{name}" for name in ("posebusters", "mofchecker_python", "wall_limit_s")}


class StabilityStage(Stage):
    """``adit stage check-stability``: phonons and bulk modulus of the best crystals."""

    version: int = 1
    relax: RelaxConfig
    stability: StabilityConfig
    limits: LimitsConfig = LimitsConfig()

    @classmethod
    def sources(cls) -> dict[str, str]:
        """Return where the fields come from."""
        return _OF_CRYSTALS


class KnownStage(Stage):
    """``adit stage known``: whether the best candidates are known."""

    version: int = 1
    lookup: LookupConfig
    limits: LimitsConfig = LimitsConfig()
    read: ReadConfig = ReadConfig()


class KeepStage(Stage):
    """``adit stage keep``: selection of the samples of a round that are kept as training data."""

    version: int = 2
    floors: FloorsConfig
    keep: str | dict[KeptKind, str] | None
    score_command: str | None = None
    score_command_wall_limit_s: float = 86400.0

    @classmethod
    def sources(cls) -> dict[str, str]:
        """Return the path in ``Config`` of the fields whose path is not their name."""
        own = ("floors", "keep", "score_command", "score_command_wall_limit_s")
        return {name: f"rounds.{name}" for name in own}


class DoctorStage(Stage):
    """``adit doctor``: requirements of a run on the machine."""

    name: str
    results: str
    data: DataConfig
    relax: RelaxConfig = RelaxConfig()
    judge: JudgeConfig = JudgeConfig()
    dft: DftConfig
    hull: HullConfig = HullConfig()
    crystal: int
    mof: int

    @classmethod
    def sources(cls) -> dict[str, str]:
        """Return the path in ``Config`` of the fields whose path is not their name."""
        return {kind: f"sample.{kind}" for kind in ("crystal", "mof")}


class ReportStage(Stage):
    """``adit report``: the page."""

    name: str
    report: ReportConfig
    limits: LimitsConfig = LimitsConfig()
