"""A small run made by the verbs of the command line alone: every verb that writes, each with all its outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adit import config, convert, store
from adit.cli import main
from adit.systems import AtomicSystem, Kind

SETTINGS: dict[str, Any] = {
    "name": "walk",
    "data": {"datasets": [{"name": "builtin-crystals", "limit": 16}]},
    "model": {
        "vae": {
            **{"d_model": 16, "heads": 2, "encoder_layers": 1, "decoder_layers": 1, "latent_dim": 4},
            "encode_lattice": True,
        },
        "dit": {"d_model": 16, "heads": 2, "layers": 1, "normalize_latents": True},
    },
    "train": {
        "vae": {"max_steps": 4, "batch_size": 8, "precision": "fp32", "checkpoint_minutes": 0.0001},
        "dit": {
            **{"max_steps": 4, "batch_size": 8, "precision": "fp32", "checkpoint_minutes": 0.0001},
            **{"ema_decay": 0.5, "center_noise": False},
        },
    },
    "latents": {"views": 1},
    "sample": {"crystal": 2, "molecule": 0, "shards": 1, "steps": 2, "guidance": 1.0},
    "relax": {"fmax": 5.0, "max_steps": 2, "min_distance": 0.1, "wall_limit_s": 120.0},
    "select": {"max_structures": 1, "max_e_above_hull": None, "max_atoms": 8, "rank_by": "cost"},
    "dft": {"engine": "gfn1-xtb", "preset": "demo", "wall_limit_s": 120.0, "shards": 1, "references": "none"},
    "hull": {"reference": "builtin"},
    "labels": {"gaps": 2},
    "stability": {"top": 1, "fmax": 0.5, "length": 4.0, "max_atoms": 16},
    "score": {"controls": 0},
    "report": {"title": "Walk", "gallery": 1},
    "ablations": {"autoencoders": {"a": {}}, "denoisers": {"d": {"autoencoder": "a"}}},
    "tune": {"samples": 2, "solvers": ["euler"], "grids": ["uniform"], "steps": [2], "guidance": [1.0]},
}
SALT = AtomicSystem(
    "nacl", Kind.CRYSTAL, np.array([11, 17]), np.array([[0, 0, 0], [2.8, 2.8, 2.8]]), np.array(
        [[0, 2.8, 2.8], [2.8, 0, 2.8], [2.8, 2.8, 0]]
    )
)  # fmt: skip
ETHANE = AtomicSystem(
    "ethane",
    Kind.MOLECULE,
    np.array([6, 6, *[1] * 6]),
    np.array(
        [
            *([-0.76, 0, 0], [0.76, 0, 0], [-1.16, 1.02, 0], [-1.16, -0.51, 0.88], [-1.16, -0.51, -0.88]),
            *([1.16, -1.02, 0], [1.16, 0.51, 0.88], [1.16, 0.51, -0.88]),
        ]
    ),
    None,
)
SETTINGS_DIR = Path(__file__).parents[3] / "config/dft"
READS_ONLY = {"check", "clean", "closing", "completion", "fetch", "info"}
"""Verbs without outputs of their own in the folders of a run."""
MAINTAINERS = {"ship-references", "ship-prototypes"}
"""Verbs that are not walked: hundreds of relaxations, for one file that is replaced as every other one is."""

NEW_FOLDER = {"init"}
"""Verbs that make a new folder and refuse any other one; tests/workflow/test_wheel.py tries them."""


def stage(kind: type[Any], seed: int, **extra: Any) -> str:
    """Return the slice of a stage as JSON."""
    return config.Config.model_validate({**SETTINGS, "seed": seed}).stage(kind, **extra).model_dump_json()


def verb(*words: str | Path) -> None:
    """Run a verb, which has to end well."""
    assert main([str(word) for word in words]) == 0, words


def stage_verb(*words: str | Path) -> None:
    """Run a stage of the workflow, which has to end well."""
    verb("stage", *words)


def given(folder: Path) -> Path:
    """Write the files of a user that the verbs read, and return their folder."""
    mine = folder / "mine"
    store.write_text(mine / "salt.cif", convert.to_cif(SALT))
    store.write_extxyz(mine / "salt.extxyz", [SALT])
    store.write_systems(mine / "molecules.arrow", [ETHANE])
    store.write_text(mine / "lock.txt", f"numpy=={np.__version__}\n")
    store.write_systems(mine / "scored/relaxed/crystal/0.arrow", [SALT])
    tests = ("overall_validity", "distance_ratio_validity", "hull_covers_chemistry", "metastable_adit", "msun_adit")
    row = {"system_id": "nacl", "relax_status": "converged", **dict.fromkeys(tests, True)}
    store.write_frame(mine / "scored/scores/crystal.parquet", pd.DataFrame([row]))
    return mine


def walk(folder: Path, seed: int) -> set[str]:
    """Run every verb that writes, into ``folder/run`` and ``folder/alone``; return their names.

    Args:
        folder: where the files of ``given`` lie.
        seed: of the run; another one changes most outputs.
    """
    done = {*_models(folder / "run", seed), *_evaluation(folder / "run", seed), *_alone(folder, seed)}
    return done | _comparisons(folder, seed)


def _models(run: Path, seed: int) -> set[str]:
    chosen = config.ChosenDataset(name="builtin-crystals", limit=16)
    data, latents = run / "data/builtin-crystals.arrow", run / "latents/builtin-crystals-0.arrow"
    prepare = stage(config.PrepareStage, seed, dataset=chosen, custom=None)
    stage_verb(
        *("prepare", "--config", prepare, "--out", data, "--stats", run / "data/builtin-crystals.stats.json"),
        *("--state", run / "state/prepare", "--log", run / "logs/prepare.log"),
    )
    vae, dit = run / "vae", run / "dit"
    stage_verb(
        *("vae", "--config", stage(config.VaeStage, seed), "--data", data, "--out", vae, "--state", run / "state/vae"),
        *("--log", run / "logs/vae.log"),
    )
    stage_verb("encode", "--config", stage(config.EncodeStage, seed), "--vae", vae, "--data", data, "--out", latents)
    stage_verb(
        *("dit", "--config", stage(config.DitStage, seed), "--vae", vae, "--data", data, "--latents", latents),
        *("--out", dit, "--state", run / "state/dit"),
    )
    verb(
        *("decay", "--config", stage(config.DitStage, seed), "--vae", vae, "--data", data, "--latents", latents),
        *("--state", run / "state/dit", "--out", run / "decayed", "--steps", "2"),
    )
    stage_verb("bundle", "--vae", vae, "--dit", dit, "--out", run / "weights")
    stage_verb("reconstruct", "--vae", vae, "--data", data, "--out", run / "reconstructed/test", "--limit", "2")
    model = ("--vae", vae, "--dit", dit, "--kind", "crystal", "--config", stage(config.SampleStage, seed))
    stage_verb("sample", *model, "--out", run / "samples/crystal/0.arrow", "--state", run / "state/sample")
    stage_verb("trajectory", *model, "--out", run / "trajectories/crystal.extxyz", "--index", "0", "--frames", "2")
    molecules = run / "data/builtin-molecules.arrow"
    chosen = config.ChosenDataset(name="builtin-molecules", limit=12)
    stage_verb("prepare", "--config", stage(config.PrepareStage, seed, dataset=chosen, custom=None), "--out", molecules)
    gaps = stage(config.LabelsStage, seed)
    stage_verb("labels", "--config", gaps, "--data", molecules, "--state", run / "state/labels")
    return {"labels", "prepare", "vae", "encode", "dit", "decay", "bundle", "reconstruct", "sample", "trajectory"}


def _evaluation(run: Path, seed: int) -> set[str]:
    data, samples = run / "data/builtin-crystals.arrow", run / "samples/crystal/0.arrow"
    store.write_systems(run.parent / "mine/samples.arrow", [SALT])
    take = config.TakeStage.model_validate(
        {**json.loads(stage(config.TakeStage, seed)), "from_": str(run.parent / "mine/samples.arrow"), "crystal": 1}
    )
    stage_verb("take", "--config", take.model_dump_json(by_alias=False), "--crystal", run / "taken/crystal/0.arrow")
    samples = run / "taken/crystal/0.arrow"
    relaxed, systems = run / "relaxed/crystal/0.parquet", run / "relaxed/crystal/0.arrow"
    stage_verb(
        *("relax", "--config", stage(config.RelaxStage, seed), "--samples", samples, "--out", relaxed),
        *("--structures", systems, "--extxyz", run / "relaxed/crystal/0.extxyz", "--cache", run / "state/relax"),
    )
    reference, hull = run / "hull/reference.parquet", run / "hull/hull.parquet"
    stage_verb(
        *("reference", "--config", stage(config.ReferenceStage, seed), "--data", data, "--out", reference),
        *("--cache", run / "state/reference"),
    )
    stage_verb(
        *("hull", "--config", stage(config.HullStage, seed), "--relaxed", relaxed, "--reference", reference),
        *("--out", hull, "--cache", run / "state/prototypes.parquet"),
    )
    judged = run / "judge/crystal/0.parquet"
    judge = stage(config.JudgeStage, seed)
    stage_verb("judge", "--config", judge, "--structures", systems, "--out", judged)
    stage_verb(
        *("judge-hull", "--config", judge, "--structures", systems, "--judged", judged, "--hull", hull),
        *("--reference", reference, "--data", data, "--out", run / "hull/judge.parquet"),
    )
    selected, dft = run / "dft/selected.parquet", stage(config.DftStage, seed)
    stage_verb(
        *("select", "--config", stage(config.SelectStage, seed), "--relaxed", relaxed, "--hull", hull),
        *("--out", selected, "--settings", SETTINGS_DIR),
    )
    table = run / "dft/0.parquet"
    stage_verb(
        *("dft", "--config", dft, "--selected", selected, "--relaxed", relaxed, "--folder", run / "dft"),
        *("--out", table, "--structures", run / "dft/0.arrow", "--settings", SETTINGS_DIR),
    )
    stage_verb(
        *("dft-references", "--config", dft, "--relaxed", table, "--data", data, "--folder", run / "dft"),
        *("--out", run / "dft/references.parquet", "--settings", SETTINGS_DIR),
    )
    checked = run.parent / "mine/molecules.arrow"
    molecules, settled = stage(config.MoleculeRelaxStage, seed), run / "relaxed/molecule/0.parquet"
    stage_verb(
        *("relax-molecules", "--config", molecules, "--samples", checked, "--out", settled),
        *("--structures", settled.with_suffix(".arrow"), "--extxyz", settled.with_suffix(".extxyz")),
        *("--sdf", settled.with_suffix(".sdf"), "--cache", run / "state/relax"),
    )
    stage_verb(
        *("select-molecules", "--config", stage(config.MoleculeSelectStage, seed, preset="demo"), "--data", data),
        *("--relaxed", settled, "--out", run / "dft/selected-molecules.parquet", "--settings", SETTINGS_DIR),
    )
    stage_verb(
        *("checks", "--config", stage(config.ChecksStage, seed), "--kind", "molecule", "--samples", checked),
        *("--shard", checked, "--out", run / "checks/molecule/0.json"),
    )
    stage_verb(
        *("score", "--config", stage(config.ScoreStage, seed), "--crystal", samples, "--data", data),
        *("--relaxed", relaxed, "--hull", hull, "--dft", table, "--out", run / "scores"),
    )
    places = ("--out", run / "stability/stability.parquet", "--dos", run / "stability/dos.parquet")
    stage_verb(
        *("check-stability", "--config", stage(config.StabilityStage, seed), "--run", run, *places),
        *("--structures", run / "stability/relaxed.arrow", "--cache", run / "state/stability"),
    )
    stage_verb("report", "--config", stage(config.ReportStage, seed), "--run", run, "--out", run / "report")
    doctor = stage(config.DoctorStage, seed, results=str(run.parent / "results"))
    stage_verb(
        "doctor",
        "--config",
        doctor,
        "--on",
        "cpu",
        "--lock",
        run.parent / "mine/lock.txt",
        "--out",
        run / "doctor/cpu.json",
    )
    done = {"take", "relax", "reference", "hull", "select", "dft", "dft-references", "checks", "score", "report"}
    done |= {"check-stability"}
    return done | {"doctor", "judge", "judge-hull", "relax-molecules", "select-molecules"}


def _alone(folder: Path, seed: int) -> set[str]:
    """Run the verbs on files of the user's own."""
    mine, alone = folder / "mine", folder / "alone"
    name = "salt.cif" if seed else "salt.extxyz"
    verb("relax", mine / name, "--out", alone / "relaxed", "--config", folder / "mine.yaml")
    verb("score", mine / name, "--out", alone / "scored", "--workers", "1", "--cache", folder / "cache")
    verb("check-stability", mine / name, "--out", alone / "stability", "--config", folder / "mine.yaml")
    verb("export", mine / name, "--out", alone / "exported/crystals.csv")
    verb("export", mine / name, "--out", alone / "exported/crystals.zip")
    verb("plan", "--config", folder / "mine.yaml", "--out", alone / "plan.json")
    verb("schema", "--out", alone / "schema.json")
    new = alone / "substituted.arrow"
    verb("substitute", "--data", mine / "scored/relaxed/crystal/0.arrow", "--n", "2", "--seed", seed, "--out", new)
    verb("keep", "--run", mine / "scored", "--kind", "crystal", "--out", alone / "kept/crystal-0.arrow")
    program = config.CommandStage.model_validate(
        {
            **json.loads(stage(config.CommandStage, seed)),
            "command": f"cp '{mine}/salt.extxyz' {{output}}/{{number}}.extxyz",
            "crystal": 1,
        }
    )
    stage_verb(
        *("sample-command", "--config", program.model_dump_json(), "--kind", "crystal", "--shard", "0"),
        *("--out", alone / "samples/crystal/0.arrow", "--state", alone / "state"),
    )
    return {"relax", "check-stability", "score", "export", "plan", "schema", "substitute", "keep", "sample-command"}


def _comparisons(folder: Path, seed: int) -> set[str]:
    """Run the verbs that put several runs, points or variants beside each other."""
    run, alone = folder / "run", folder / "alone"
    verb("compare", run, alone / "scored", "--out", folder / "compared")
    rounds = ["--rounds", run, alone / "scored", "--kept", alone / "kept/crystal-0.arrow"]
    stage_verb("rounds", *rounds, "--out", folder / "rounds")
    ledger = ["--ledger", folder / "alone/ledger.sqlite"]
    verb("ledger", "add", run, *ledger)
    verb("ledger", "export", "--out", alone / "ledger", *ledger)
    verb("dossier", "--run", run, "--top", "1", "--out", alone / "dossiers")
    settings = json.loads(stage(config.ReportStage, seed)) | {"report": {"dossiers": 1}}
    stage_verb("dossiers", "--config", json.dumps(settings), "--run", run, "--out", run / "dossiers")
    references, cache = folder / "mine/salt.extxyz", folder / "cache/known"
    tables = [alone / "known/known.csv", alone / "known/known.parquet"]
    verb("known", run / "taken/crystal/0.arrow", "--reference", references, "--out", *tables, "--cache", cache)
    settings = {**json.loads(stage(config.KnownStage, seed)), "lookup": {"references": [str(references)]}}
    stage_verb(
        *("known", "--config", json.dumps(settings), "--run", run, "--out", run / "known/known.parquet"),
        *("--cache", run / "state/known"),
    )
    point, scores = run / "tune/point", store.read_json(run / "scores/summary.json")
    if not point.exists():
        made_with = {"seed": 99, "steps": 2, "guidance": 1.0, "solver": "euler", "grid": "uniform"}
        store.write_systems(point / "crystal.arrow", [SALT], metadata=made_with)
        store.write_json(point / "crystal.json", {"seconds": 1.0, "samples": 1, "evaluations": 2})
        store.write_json(point / "scores/summary.json", scores)
    stage_verb("tune", "--config", stage(config.TuneStage, seed), "--points", point, "--out", run / "tune")
    ablations = run / "ablations"
    if not ablations.exists():
        for network, variant in (("vae", "a"), ("dit", "d")):
            record = store.read_json(run / network / "config.json")
            store.write_json(ablations / network / variant / "config.json", record)
        measured = store.read_json(run / "reconstructed/test.json")
        store.write_json(ablations / "reconstructions/a/builtin-crystals.json", measured)
        store.write_json(ablations / "scores/d/summary.json", scores)
    stage_verb("ablations", "--config", stage(config.AblationsStage, seed), "--folder", ablations)
    return {"compare", "rounds", "dossier", "dossiers", "known", "ledger", "tune", "ablations"}
