"""The expected cost of a run before it starts: jobs, core and GPU hours of each rule, accurate to a factor of a few.

The cost of trainings and sampling follows from the operations of the networks and a device's sustained rate, that of
the other rules from measured times per system. Datasets are assumed to have their published sizes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from adit.config import Config, OptimConfig, SampleConfig, parse
from adit.config.datasets import DATASETS, DatasetEntry
from adit.config.engines import ENGINES
from adit.config.rounds import round_configs
from adit.config.solvers import SOLVERS

SUSTAINED: Final = {"cpu": 0.1e12, "v100": 5e12, "a100": 20e12, "h100": 40e12}
"""Floating-point operations per second that these networks sustain on one core or one GPU. cpu: measured in bf16; v100:
single precision; the others: scaled by their peak in bf16, a tenth of which is reached with small systems."""

STARTUP_S: Final = 30.0
"""Time that every job takes to start, s: Snakemake twice, libraries and weights from a network file system."""

UNKNOWN: Final = DatasetEntry("", "", "", 10_000, 8_000, 30.0)
"""Assumed sizes of a user's own dataset: rows, training systems, atoms per system."""

ATOMS: Final = {"crystal": 10.0, "molecule": 18.0, "mof": 90.0}
"""Kind → assumed number of atoms of a sample."""

PREPARED_A_SECOND: Final = 1_900.0
"""Rows that are prepared per second."""

GAP_S: Final = 0.012
"""Processor time of a static GFN2-xTB calculation of a molecule of QM9, s."""

RELAX_S_PER_ATOM_STEP: Final = 0.024
"""Processor time of a relaxation with a potential, per atom and step, s."""

RELAX_STEPS: Final = 60
"""Assumed number of steps of a relaxation."""

TRY_SYMMETRY: Final = 1.1
"""Ratio of the cost with ``relax.symmetrize: try`` to that with ``off`` (docs/measurements/symmetry.md)."""
XTB_S: Final = 0.3
"""Processor time of a GFN2-xTB relaxation of a molecule of QM9, s."""
REFERENCES: Final = {"builtin": 250, "mp-api": 0, "optimade": 0}
"""Number of relaxed reference crystals; other references need only the elements."""
ELEMENTS: Final = 89
"""Assumed number of elements whose references are computed."""

HULL_S: Final = 0.05
"""Time for one structure's energy above the hull, s."""

SELECT_S: Final = 0.02
"""Time for the selection of one structure, s."""

SCORE_S: Final = {"crystal": 0.5, "molecule": 0.05, "mof": 0.05}
"""Kind → processor time for the scores of one sample, s."""

STABILITY_S: Final = 35.0
"""Processor time for the phonons of one crystal of eight atoms without symmetry, s."""

CHECKS_S: Final = {"molecule": 0.8, "mof": 5.0}
"""Kind → processor time for the external checks of one sample, s."""

DOSSIER_S: Final = 5.0
"""Time for the dossier of one candidate, s."""

PASSING: Final = 0.4
"""Assumed fraction of the crystals that are near enough to the hull for DFT, if nothing else limits their number."""
XTB_CORE_H: Final = 0.005
"""Core hours of one relaxation with an engine or preset of unlisted cost, such as GFN1-xTB."""


@dataclass(frozen=True)
class RuleCost:
    """The expected cost of a rule.

    Attributes:
        rule: name of the rule.
        jobs: number of jobs of the scheduler.
        seconds: wall time of one job, s.
        cores: cores of one job.
        gpus: GPUs of one job.
    """

    rule: str
    jobs: int
    seconds: float
    cores: int = 1
    gpus: int = 0

    @property
    def core_hours(self) -> float:
        """Return the core hours of all jobs."""
        return self.jobs * self.seconds * self.cores / 3600

    @property
    def gpu_hours(self) -> float:
        """Return the GPU hours of all jobs."""
        return self.jobs * self.seconds * self.gpus / 3600


@dataclass(frozen=True)
class Site:
    """The resources that the jobs get.

    Attributes:
        cores: rule → cores of a job; 1 for rules that are not named.
        gpus: rule → GPUs of a job; 0 for rules that are not named.
        in_one_job: rule → number of shards in one job; 1 for rules that are not named.
        device: key of ``SUSTAINED`` for jobs with a GPU.
    """

    cores: Mapping[str, int]
    gpus: Mapping[str, int]
    in_one_job: Mapping[str, int]
    device: str = "a100"

    def rate(self, rule: str) -> float:
        """Return the floating-point operations per second of a job of a rule."""
        gpus = self.gpus.get(rule, 0)
        return SUSTAINED[self.device] * gpus if gpus else SUSTAINED["cpu"] * self.cores.get(rule, 1)


def expected(config: Config, site: Site) -> list[RuleCost]:
    """Return the expected cost of every rule of a run, in the order in which they run.

    Args:
        config: configuration of the run.
        site: resources of the jobs.
    """
    estimates = [
        _prepare(config),
        _labels(config, site),
        *_models(config, site),
        *_sampling(config, site),
        *_evaluation(config, site),
    ]
    placed = [replace(e, cores=site.cores.get(e.rule, 1), gpus=site.gpus.get(e.rule, 0)) for e in estimates if e.jobs]
    return [_grouped(estimate, site.in_one_job.get(estimate.rule, 1)) for estimate in placed]


def expected_of_rounds(config: Config, site: Site) -> list[RuleCost]:
    """Return the expected cost of all rounds and controls; equal jobs of a rule are one entry.

    Args:
        config: configuration of the rounds.
        site: resources of the jobs.

    Raises:
        ConfigError: the configuration of a round is invalid.
    """
    every = [each for name, values in round_configs(config) for each in expected(parse(values, name), site)]
    counts = Counter((replace(each, jobs=1), each.jobs) for each in every)
    return [replace(one, jobs=jobs * number) for (one, jobs), number in counts.items()]


def _grouped(estimate: RuleCost, shards: int) -> RuleCost:
    """Return the estimate with several shards in a job, one after the other."""
    shards = min(shards, estimate.jobs)
    jobs = -(-estimate.jobs // shards)
    return replace(estimate, jobs=jobs, seconds=estimate.seconds * estimate.jobs / jobs)


def _sizes(config: Config) -> list[tuple[int, int, float, float]]:
    """Return rows, training systems, mean atoms and ratio of each dataset."""
    sizes = []
    for dataset in config.data.datasets:
        size = DATASETS.get(dataset.name, UNKNOWN)
        share = min(1.0, dataset.limit / size.rows) if dataset.limit else 1.0
        sizes.append((round(size.rows * share), round(size.train * share), size.atoms, dataset.ratio))
    return sizes


def _prepare(config: Config) -> RuleCost:
    sizes = _sizes(config)
    rows = sum(size[0] for size in sizes) / len(sizes)
    return RuleCost("prepare", len(sizes), STARTUP_S + rows / PREPARED_A_SECOND)


def _labels(config: Config, site: Site) -> RuleCost:
    jobs = len(config.data.molecules) if config.labels.gaps else 0
    return RuleCost("labels", jobs, STARTUP_S + config.labels.gaps * GAP_S / site.cores.get("labels", 1))


def _weights(config: Config) -> dict[str, float]:
    """Return the number of weights that act on every atom: 12 d² per layer."""
    vae, dit = config.model.vae, config.model.dit
    return {
        "encoder": 12.0 * vae.encoder_layers * vae.d_model**2,
        "decoder": 12.0 * vae.decoder_layers * vae.d_model**2,
        "dit": 12.0 * dit.layers * dit.d_model**2,
    }


def _mean_atoms(config: Config) -> float:
    sizes = _sizes(config)
    total = sum(ratio for *_, ratio in sizes)
    return sum(atoms * ratio for _, _, atoms, ratio in sizes) / total


def _models(config: Config, site: Site) -> list[RuleCost]:
    """Return the trainings; none if nothing is sampled from the models."""
    if config.sample.made_elsewhere or not config.sample.kinds:
        return []
    vae, dit = (RuleCost(rule, 1, STARTUP_S) for rule in ("vae", "dit"))  # where weights are used unchanged
    if config.model.source in ("train", "finetune"):
        vae = _training("vae", config, config.train.vae, site)
    if config.model.source != "pretrained":
        dit = _training("dit", config, config.train.dit, site)
    return [vae, *_encode(config, site), dit]


def _training(rule: str, config: Config, train: OptimConfig, site: Site) -> RuleCost:
    weights = _weights(config)
    steps = train.max_epochs * max(1, sum(size[1] for size in _sizes(config)) // train.batch_size)
    steps = min(steps, train.max_steps or steps)
    if rule == "vae":
        per_atom = 6.0 * (weights["encoder"] + weights["decoder"])
    else:
        again = 2.0 * config.train.dit.self_conditioning
        encoding = 0.0 if config.latents.views else 2.0 * weights["encoder"]
        per_atom = (6.0 + again) * weights["dit"] + encoding
    seconds = steps * train.batch_size * _mean_atoms(config) * per_atom / site.rate(rule)
    if train.max_minutes is not None:
        seconds = min(seconds, 60 * train.max_minutes)
    return RuleCost(rule, 1, STARTUP_S + seconds)


def _encode(config: Config, site: Site) -> list[RuleCost]:
    if not config.latents.views:
        return []
    sizes = _sizes(config)
    atoms = sum(rows * atoms for rows, _, atoms, _ in sizes) / len(sizes)
    work = config.latents.views * atoms * 2.0 * _weights(config)["encoder"]
    return [RuleCost("encode", len(sizes), STARTUP_S + work / site.rate("encode"))]


def _sampling(config: Config, site: Site) -> list[RuleCost]:
    sampling = config.sample
    if sampling.from_ is not None:
        return [RuleCost("take", 1, STARTUP_S + sum(map(sampling.count, sampling.kinds)) / PREPARED_A_SECOND)]
    shards = sum(sampling.n_shards(kind) for kind in sampling.kinds)
    if sampling.command is not None:  # nobody knows what a program costs but its wall limit
        return [RuleCost("sample", shards, sampling.command_wall_limit_s)]
    evaluated = sum(
        sampling.count(kind) * ATOMS[kind] * _evaluations(sampling.of_kind(kind)) for kind in sampling.kinds
    )
    work = evaluated * 2.0 * _weights(config)["dit"]
    return [RuleCost("sample", shards, STARTUP_S + work / max(1, shards) / site.rate("sample"))] if shards else []


def _evaluations(sampling: SampleConfig) -> int:
    """Return the denoiser evaluations of each atom, those of guidance included."""
    a_time = 1 + (sampling.guidance not in (0, 1)) + (sampling.skip_guidance != 1)
    return sampling.steps * a_time * max(1, SOLVERS[sampling.solver].evaluations_a_step)


def _evaluation(config: Config, site: Site) -> list[RuleCost]:
    sampling = config.sample
    solid = [kind for kind in sampling.kinds if kind != "molecule"]
    counts = {kind: sampling.count(kind) for kind in sampling.kinds}
    periodic = sum(counts[kind] for kind in solid)
    score = sum(counts[kind] * SCORE_S[kind] for kind in counts) / site.cores.get("score", 1)
    estimates = []
    if periodic:
        shards = sum(sampling.n_shards(kind) for kind in solid)
        relaxing = sum(counts[kind] * _relaxation_s(config, ATOMS[kind]) for kind in solid)
        twice = TRY_SYMMETRY if config.relax.symmetrize == "try" else 1.0
        references = REFERENCES.get(config.hull.reference, ELEMENTS) * _relaxation_s(config, 5.0)
        estimates = [
            RuleCost("relax", shards, STARTUP_S + relaxing * twice / shards / site.cores.get("relax", 1)),
            RuleCost("reference", 1, STARTUP_S + references / site.cores.get("reference", 1)),
            RuleCost("hull", 1, STARTUP_S + HULL_S * periodic),
            RuleCost("select", 1, STARTUP_S + SELECT_S * periodic),
            *_dft(config, site, periodic),
        ]
    estimates += [*_molecules(config, site), *_checks(config, site), RuleCost("score", 1, STARTUP_S + score)]
    return [*estimates, *_stability(config, site), *_dossiers(config, site)]


def _stability(config: Config, site: Site) -> list[RuleCost]:
    n = min(config.stability.top, config.sample.crystal)
    cores = site.cores.get("check_stability", 1)
    return [RuleCost("check_stability", 1, STARTUP_S + n * STABILITY_S / cores, cores)] if n else []


def _dossiers(config: Config, site: Site) -> list[RuleCost]:
    top = config.report.dossiers
    if not top:
        return []
    n = sum(min(top, getattr(config.sample, kind)) for kind in ATOMS)
    cores = site.cores.get("dossiers", 1)
    return [RuleCost("dossiers", 1, STARTUP_S + n * DOSSIER_S / cores, cores)]


def _molecules(config: Config, site: Site) -> list[RuleCost]:
    sampling = config.sample
    if not sampling.molecule:
        return []
    shards = sampling.n_shards("molecule")
    work = 1 + config.relax.molecule.conformers + 0.1 * config.relax.molecule.ions
    seconds = sampling.molecule * XTB_S * work / shards / site.cores.get("relax_molecules", 1)
    estimates = [RuleCost("relax_molecules", shards, STARTUP_S + seconds)]
    jobs = config.n_molecule_dft_shards
    if not jobs:
        return estimates
    limit, preset = config.select.molecule.max_structures, config.dft_molecule_preset
    sent = sampling.molecule if limit is None else min(limit, sampling.molecule)
    hours = sent * ENGINES[config.dft.engine].molecule_core_hours.get(preset, XTB_CORE_H)
    if config.select.molecule.budget_core_hours is not None:
        hours = min(hours, config.select.molecule.budget_core_hours)
    return [
        *estimates,
        RuleCost("select_molecules", 1, STARTUP_S + SELECT_S * sampling.molecule),
        RuleCost("dft_molecules", jobs, STARTUP_S + 3600 * hours / jobs / site.cores.get("dft_molecules", 1)),
    ]


def _checks(config: Config, site: Site) -> list[RuleCost]:
    sampling = config.sample
    checked = [kind for kind in sampling.kinds if kind in CHECKS_S]
    shards = sum(sampling.n_shards(kind) for kind in checked)
    if not shards:
        return []
    seconds = sum(sampling.count(kind) * CHECKS_S[kind] for kind in checked) / shards
    return [RuleCost("checks", shards, STARTUP_S + seconds / site.cores.get("checks", 1))]


def _relaxation_s(config: Config, atoms: float) -> float:
    return min(config.relax.max_steps, RELAX_STEPS) * (0.05 + RELAX_S_PER_ATOM_STEP * atoms)


def _dft(config: Config, site: Site, periodic: int) -> list[RuleCost]:
    select, dft = config.select, config.dft
    sent = PASSING * periodic if select.max_e_above_hull is not None else periodic
    if select.max_structures is not None:
        sent = min(sent, select.max_structures)
    hours = sent * ENGINES[dft.engine].core_hours.get(dft.preset, XTB_CORE_H)
    if select.budget_core_hours is not None:
        hours = min(hours, select.budget_core_hours)
    shards = config.n_dft_shards
    estimates = [RuleCost("dft", shards, STARTUP_S + 3600 * hours / max(1, shards) / site.cores.get("dft", 1))]
    if config.on_mp_hull or dft.references != "none":
        estimates.append(RuleCost("dft_hull", 1, STARTUP_S + HULL_S * sent))
    if dft.references != "none":
        references = ELEMENTS * ENGINES[dft.engine].core_hours.get(dft.preset, XTB_CORE_H)
        seconds = STARTUP_S + 3600 * references / site.cores.get("dft_references", 1)
        estimates.append(RuleCost("dft_references", 1, seconds))
    return estimates
