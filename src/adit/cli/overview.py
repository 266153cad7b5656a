"""All commands with the room that declares each, so that ``adit --help`` imports no room."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final


class Group(Enum):
    """Who calls a command."""

    USERS = auto()
    STAGES = auto()
    """The workflow's rules: ``adit stage VERB``."""
    BOTH = auto()
    UPKEEP = auto()
    """Those who keep this project; the list for users leaves it out."""


@dataclass(frozen=True)
class Verb:
    """A command.

    Attributes:
        name: as it is typed.
        group: who calls it.
        room: module of ``adit.cli`` that declares its options and runs it.
        text: its description.
    """

    name: str
    group: Group
    room: str
    text: str


VERBS: Final = (
    Verb(
        "clean",
        Group.USERS,
        "folders",
        "remove the files listed in the manifests of a folder; other files are kept and listed",
    ),
    Verb(
        "init",
        Group.USERS,
        "folders",
        "make a folder to run the workflow in: Snakefile, configuration, SLURM profile, weights",
    ),
    Verb("fetch", Group.USERS, "data", "download the public files of a configuration, or of named sources"),
    Verb("prepare", Group.USERS, "data", "read datasets, or a file of your own, and write normalised systems"),
    Verb("prepare", Group.STAGES, "data", "read one dataset and write normalised systems"),
    Verb("labels", Group.BOTH, "data", "compute the label homo_lumo_gap of training molecules with GFN2-xTB"),
    Verb("vae", Group.BOTH, "train", "train the autoencoder"),
    Verb("encode", Group.BOTH, "train", "encode a dataset, one augmented view per file"),
    Verb("dit", Group.BOTH, "train", "train the denoiser on latents"),
    Verb(
        "decay",
        Group.USERS,
        "train",
        "write a copy of a denoiser in training, with its learning rate decayed to zero; the training is not changed",
    ),
    Verb(
        "bundle", Group.BOTH, "train", "pack a trained autoencoder and denoiser into a bundle of weights, with hashes"
    ),
    Verb(
        "sample",
        Group.USERS,
        "sample",
        "generate samples of one kind: a shard of the configured run, or as many as requested",
    ),
    Verb("sample", Group.STAGES, "sample", "generate one shard of samples"),
    Verb("trajectory", Group.BOTH, "sample", "decode the denoising path of selected samples to extended XYZ"),
    Verb("tune", Group.STAGES, "sample", "compare solvers, steps and guidance scales: table, Pareto front and plot"),
    Verb("relax", Group.USERS, "relax", "relax structures of your own files with a potential or DFT"),
    Verb("relax", Group.STAGES, "relax", "relax one shard of samples with a potential"),
    Verb(
        "relax-molecules",
        Group.STAGES,
        "relax",
        "relax one shard of molecules with GFN2-xTB, and compute their properties",
    ),
    Verb("reference", Group.STAGES, "relax", "compute or read the reference energies of the hull"),
    Verb(
        "hull",
        Group.USERS,
        "relax",
        "compute energies above the hull for your own tables, or for structures with energies",
    ),
    Verb("hull", Group.STAGES, "relax", "compute energies above the hull for the relaxed samples"),
    Verb("select", Group.STAGES, "relax", "select structures for DFT"),
    Verb("select-molecules", Group.STAGES, "relax", "select molecules for DFT"),
    Verb("dft", Group.STAGES, "relax", "relax one shard of the selected structures with DFT"),
    Verb("dft-references", Group.STAGES, "relax", "compute elements and competing phases with DFT, for a DFT hull"),
    Verb("judge", Group.STAGES, "judge", "energies of relaxed crystals by a second potential: one shard"),
    Verb("judge-hull", Group.STAGES, "judge", "hull distances by both potentials, side by side, and their verdict"),
    Verb(
        "check-stability",
        Group.USERS,
        "judge",
        "check crystals for imaginary phonons, with bulk modulus and phonon density of states, by a potential",
    ),
    Verb("check-stability", Group.STAGES, "judge", "check the best crystals of a run for imaginary phonons"),
    Verb("ship-references", Group.UPKEEP, "prototypes", "relax the built-in crystals for the table in the package"),
    Verb(
        "ship-prototypes",
        Group.UPKEEP,
        "prototypes",
        "search prototypes of the pairs of elements of a dataset, the most frequent first",
    ),
    Verb(
        "reconstruct",
        Group.BOTH,
        "score",
        "measure the reconstruction of the autoencoder on a split: match rate and RMSD",
    ),
    Verb(
        "checks",
        Group.STAGES,
        "score",
        "run the slow checks of one shard of samples (PoseBusters, MOFChecker) for the scores",
    ),
    Verb(
        "score", Group.USERS, "score", "score your own samples (adit score SAMPLES --reference REF), with control rows"
    ),
    Verb("export", Group.USERS, "score", "write crystals in the input format of the benchmark LeMat-GenBench"),
    Verb("score", Group.STAGES, "score", "score the samples of a run, with control rows"),
    Verb("report", Group.USERS, "report", "write the report of a run"),
    Verb("report", Group.STAGES, "report", "write the report of a run"),
    Verb("closing", Group.USERS, "report", "print a summary of a run in five lines"),
    Verb("ablations", Group.STAGES, "report", "compare the variants of autoencoder and denoiser in tables"),
    Verb("compare", Group.USERS, "report", "compare runs on one page, with one column per run"),
    Verb("check", Group.USERS, "report", "validate a configuration file"),
    Verb("schema", Group.UPKEEP, "report", "write the JSON schema of the configuration"),
    Verb(
        "ledger", Group.USERS, "ledger", "keep the candidates of all runs in one file: add, query, mark, show, export"
    ),
    Verb(
        "known",
        Group.USERS,
        "dossier",
        "look up whether structures are known: own files, OPTIMADE providers, PubChem; only what you name is asked",
    ),
    Verb("known", Group.STAGES, "dossier", "look up whether the best candidates of a run are known"),
    Verb(
        "dossier",
        Group.USERS,
        "dossier",
        "write a dossier of each structure, or of the best candidates of a run: page and folder, offline",
    ),
    Verb("dossiers", Group.STAGES, "dossier", "write dossiers of the best candidates of a run"),
    Verb("info", Group.USERS, "info", "show the networks of a configuration"),
    Verb("completion", Group.USERS, "info", "print a script that completes this command in a shell"),
    Verb("take", Group.STAGES, "take", "take samples of another program (sample.from) into the shards of a run"),
    Verb(
        "sample-command",
        Group.STAGES,
        "take",
        "run the user's program (sample.command), which writes one shard of samples",
    ),
    Verb(
        "substitute",
        Group.USERS,
        "take",
        "make new crystals by ion exchange in known ones: a baseline without a model",
    ),
    Verb(
        "keep",
        Group.USERS,
        "keep",
        "keep the samples of a run that are valid, new and (meta)stable, as training data with their lineage",
    ),
    Verb(
        "keep",
        Group.STAGES,
        "keep",
        "select the samples of a round that are kept for training; stops the loop if a rate is below its floor",
    ),
    Verb("rounds", Group.STAGES, "keep", "compare the rounds and their controls on one page"),
    Verb(
        "doctor",
        Group.BOTH,
        "doctor",
        "check the requirements of a run on this machine, and print how to get missing ones",
    ),
    Verb("plan", Group.USERS, "plan", "estimate the cost of a run: jobs, core hours and GPU hours of each rule"),
)


def rooms_of(words: list[str]) -> set[str]:
    """Return the rooms of the command that a command line calls; none if it calls none, as ``adit --help`` does.

    Args:
        words: words of the command line.
    """
    names = [word for word in words if not word.startswith("-")]
    of_stage = names[:1] == ["stage"]
    name = names[of_stage : of_stage + 1]
    groups = {Group.STAGES, Group.BOTH} if of_stage else {Group.USERS, Group.BOTH, Group.UPKEEP}
    return {verb.room for verb in VERBS if [verb.name] == name and verb.group in groups}
