"""One validated configuration: frozen, unknown keys are errors; its defaults are the paper's run.

Every stage gets its own slice (``Config.stage``), so that a rule depends on what it uses and on nothing else.
Imports no torch: the Snakefile reads it in every job.
"""

from adit.config.ablations import AblationsConfig, AutoencoderVariant, DenoiserVariant, kinds_of
from adit.config.base import Count, Fraction, Positive, PositiveFloat, Stage, Strict
from adit.config.data import (
    ChosenDataset,
    CustomDataset,
    DataConfig,
    DatasetConfig,
    LabelsConfig,
    SplitConfig,
)
from adit.config.datasets import DATASETS
from adit.config.limits import LimitsConfig
from adit.config.model import DitModelConfig, LabelConfig, ModelConfig, VaeModelConfig
from adit.config.read import ReadConfig
from adit.config.reading import check_files, check_places, json_schema, load, load_stage, parse, parse_as
from adit.config.relax import POTENTIAL_NAMES, DftConfig, HullConfig, JudgeConfig, RelaxConfig, SelectConfig
from adit.config.run import Config
from adit.config.sample import OF_ONE_KIND, ConditionsOfKind, SampleConfig, TuneConfig, TunePoint
from adit.config.score import ReportConfig, ScoreConfig
from adit.config.stages import (
    AblationsStage,
    ChecksStage,
    DftStage,
    DitStage,
    DoctorStage,
    EncodeStage,
    HullStage,
    JudgeStage,
    LabelsStage,
    PrepareStage,
    ReferenceStage,
    RelaxStage,
    ReportStage,
    SampleStage,
    ScoreStage,
    SelectStage,
    TakeStage,
    TuneStage,
    VaeStage,
)
from adit.config.train import DitTrainConfig, LatentsConfig, OptimConfig, TrainConfig, VaeTrainConfig

__all__ = [
    "DATASETS",
    "OF_ONE_KIND",
    "POTENTIAL_NAMES",
    "AblationsConfig",
    "AblationsStage",
    "AutoencoderVariant",
    "ChecksStage",
    "ChosenDataset",
    "ConditionsOfKind",
    "Config",
    "Count",
    "CustomDataset",
    "DataConfig",
    "DatasetConfig",
    "DenoiserVariant",
    "DftConfig",
    "DftStage",
    "DitModelConfig",
    "DitStage",
    "DitTrainConfig",
    "DoctorStage",
    "EncodeStage",
    "Fraction",
    "HullConfig",
    "HullStage",
    "JudgeConfig",
    "JudgeStage",
    "LabelConfig",
    "LabelsConfig",
    "LabelsStage",
    "LatentsConfig",
    "LimitsConfig",
    "ModelConfig",
    "OptimConfig",
    "Positive",
    "PositiveFloat",
    "PrepareStage",
    "ReadConfig",
    "ReferenceStage",
    "RelaxConfig",
    "RelaxStage",
    "ReportConfig",
    "ReportStage",
    "SampleConfig",
    "SampleStage",
    "ScoreConfig",
    "ScoreStage",
    "SelectConfig",
    "SelectStage",
    "SplitConfig",
    "Stage",
    "Strict",
    "TakeStage",
    "TrainConfig",
    "TuneConfig",
    "TunePoint",
    "TuneStage",
    "VaeModelConfig",
    "VaeStage",
    "VaeTrainConfig",
    "check_files",
    "check_places",
    "json_schema",
    "kinds_of",
    "load",
    "load_stage",
    "parse",
    "parse_as",
]
