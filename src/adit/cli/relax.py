"""Verbs of relaxation and of the hull."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from adit import config
from adit.api.references import own_reference, public_files
from adit.cli.data import mirror_of
from adit.cli.parsing import Verbs, add_paths, add_structures, add_workers, from_zero, whole_config
from adit.config.engines import ENGINES
from adit.errors import ConfigError
from adit.limits import set_limits
from adit.outputs.inputs import also_reads
from adit.outputs.replace import replaced_files

if TYPE_CHECKING:
    from adit.hull.convex_hull import Hull

POTENTIALS = config.POTENTIAL_NAMES
"""Names of the potentials."""

PRESETS = "config/dft, else that of the package"
"""Where presets are without --settings."""

MOLECULES = "gfn2-xtb"
"""Engine of molecules."""


def _relax_stage(args: argparse.Namespace) -> None:
    from adit.relax.prerelax import prerelax

    stage = config.load_stage(config.RelaxStage, args.config)
    also_reads(potential_files(stage.relax))
    outs = [args.out, args.structures, args.extxyz]
    with replaced_files(outs, "relax", inputs=[args.samples]) as (table, structures, extxyz):
        prerelax(stage, args.samples, table, structures, extxyz, args.workers, args.cache)


def _relax_molecules_stage(args: argparse.Namespace) -> None:
    from adit.relax.prerelax import relax_molecule_shard

    stage = config.load_stage(config.MoleculeRelaxStage, args.config)
    outs = [args.out, args.structures, args.extxyz, args.sdf]
    with replaced_files(outs, "relax-molecules", inputs=[args.samples]) as (table, structures, extxyz, sdf):
        relax_molecule_shard(stage, args.samples, table, structures, extxyz, sdf, args.workers, args.cache)


def potential_files(section: config.RelaxConfig | config.JudgeConfig) -> list[Path]:
    """Return the files of a potential in a section: its weights and its interpreter."""
    return [Path(text) for text in (section.weights, section.python) if text]


def _relax(args: argparse.Namespace) -> None:
    from adit.readers import settings_of
    from adit.relax import standalone

    whole = whole_config(args.config)
    reading = settings_of(whole.read, whole.limits, args.workers, refuse=args.refuse_contradictions)
    if args.engine not in ENGINES:
        verb = {None: standalone.relax_each_kind, MOLECULES: standalone.relax_with_gfn2}
        stage = _potential_stage(args, whole)
        verb.get(args.engine, standalone.relax_with_potential)(
            stage, args.files, args.out, args.workers, reading, args.only
        )
        return
    for name in ("weights", "python"):
        if getattr(args, name) is not None:
            raise ConfigError(f"--{name}: is for potentials ({', '.join(POTENTIALS)})")
    named = {"engine": args.engine, "preset": args.preset or ENGINES[args.engine].preset}
    if args.wall_limit is not None:
        named["wall_limit_s"] = args.wall_limit
    if args.command is not None:
        named["command"] = args.command
    dft = config.parse_as(config.DftConfig, {**whole.dft.model_dump(), "fallback": None, **named}, "adit relax")
    standalone.relax_with_dft(
        config.DftStage(dft=dft), args.files, args.out, args.workers, args.settings, reading, args.only
    )


def _potential_stage(args: argparse.Namespace, whole: config.Config) -> config.RelaxStage:
    """Return the section of relaxations, with the options of the command line in place of its values."""
    for name in ("preset", "command", "settings"):
        if getattr(args, name) is not None:
            raise ConfigError(f"--{name}: is for {', '.join(ENGINES)}; a potential's settings are section relax")
    values = whole.relax.model_dump()
    places = {"weights": args.weights, "python": args.python, "wall_limit_s": args.wall_limit}
    values |= {name: value for name, value in places.items() if value is not None}
    if args.engine in POTENTIALS:
        values["engine"] = args.engine
    named = {"wall_limit_s": args.wall_limit, "conformers": args.conformers, "ions": args.ions or None}
    values["molecule"] |= {name: value for name, value in named.items() if value is not None}
    relax = config.parse_as(config.RelaxConfig, values, "adit relax")
    also_reads(potential_files(relax))
    return config.RelaxStage(relax=relax)


def _reference(args: argparse.Namespace) -> None:
    from adit.hull.dft_references import chemical_systems
    from adit.hull.reference import reference

    stage = config.load_stage(config.ReferenceStage, args.config)
    set_limits(stage.limits)
    find = public_files(mirror_of(args), stage.limits)
    with replaced_files([args.out], "reference", inputs=[*args.data, *_with_structures(args.relaxed)]) as (new,):
        chemical = chemical_systems(args.relaxed) if stage.hull.is_live else None
        reference(stage, args.data, new, args.cache, args.workers, find, chemical)


def _hull_stage(args: argparse.Namespace) -> None:
    from adit.hull.hull import hull

    stage = config.load_stage(config.HullStage, args.config)
    set_limits(stage.limits)
    with replaced_files([args.out], "hull", inputs=[*_with_structures(args.relaxed), args.reference]) as (new,):
        hull(stage, args.relaxed, args.reference, new, complete=_completion(args, stage))


def _hull(args: argparse.Namespace) -> None:
    from adit.hull.energy_tables import read_energy_tables
    from adit.hull.hull import chemical_of, hull_of
    from adit.readers import settings_of

    if args.out.suffix not in (".parquet", ".csv"):
        raise ConfigError(f"--out {args.out}: name a .parquet or a .csv file")
    whole = whole_config(args.config)
    set_limits(whole.limits)
    whole = whole.model_copy(update={"hull": _hull_section(args, whole.hull)})
    tables = [path / "relaxed.parquet" if (path / "relaxed.parquet").is_file() else path for path in args.tables]
    reading = settings_of(whole.read, whole.limits, args.workers)
    energies = read_energy_tables(tables, args.energy_tag, reading)  # before minutes of work for the reference
    given = [args.reference] if args.reference else []
    with replaced_files([args.out], "hull", inputs=[*_with_structures(tables), *given]) as (new,):
        mirror = mirror_of(args, whole.mirror)
        folder = args.out.with_suffix("")
        reference = args.reference or own_reference(
            folder, whole, chemical_of(energies), workers=args.workers, mirror=mirror
        )
        stage = whole.stage(config.HullStage)
        hull_of(stage, energies, reference, new, _completion(args, stage))


def _hull_section(args: argparse.Namespace, section: config.HullConfig) -> config.HullConfig:
    """Return the section of the configuration, or what the command line names instead."""
    named = {"reference": args.hull, "competing": args.competing, "competing_core_hours": args.core_hours}
    values = {name: value for name, value in named.items() if value is not None}
    if not values and not args.provider:
        return section
    live = section.live.model_dump()
    if args.provider:
        live["providers"] = [{"address": address} for address in args.provider]
        values.setdefault("reference", "optimade")
    if args.competing == "prototypes":
        values.setdefault("reference", "builtin")
    return config.parse_as(config.HullConfig, {**values, "live": live}, "adit hull")


def _completion(
    args: argparse.Namespace, stage: config.HullStage
) -> Callable[[Hull, Sequence[frozenset[str]]], Hull] | None:
    """Return the search of the pairs that a hull misses, if configured."""
    if stage.hull.competing == "none":
        return None
    from adit.hull.competing import Search, with_prototypes
    from adit.hull.judged import judges_at_hand

    cache, hull = args.cache or args.out.with_suffix("") / "prototypes.parquet", stage.hull
    budget = (
        hull.competing_core_hours,
        args.workers,
        judges_at_hand(stage.judge),
        hull.competing_wall_s,
        hull.competing_ternaries,
    )
    search = Search(stage.relax, cache, *budget)
    return lambda hull, chemical: with_prototypes(hull, chemical, search)


def _with_structures(tables: Sequence[Path]) -> list[Path]:
    """Return tables of relaxations and the structure files beside them."""
    return [*tables, *(table.with_suffix(".arrow") for table in tables)]


def _select(args: argparse.Namespace) -> None:
    from adit.relax.dft.select import select

    stage = config.load_stage(config.SelectStage, args.config)
    set_limits(stage.limits)
    with replaced_files([args.out], "select", inputs=[*_with_structures(args.relaxed), args.hull]) as (new,):
        select(stage, args.relaxed, args.hull, new, args.settings, args.judge)


def _select_molecules(args: argparse.Namespace) -> None:
    from adit.relax.dft.select_molecules import select_molecules

    stage = config.load_stage(config.MoleculeSelectStage, args.config)
    with replaced_files([args.out], "select", inputs=[*_with_structures(args.relaxed), *args.data]) as (new,):
        select_molecules(stage, args.relaxed, args.data, new, args.settings)


def _dft(args: argparse.Namespace) -> None:
    from adit.relax.dft.stage import run_dft

    stage = config.load_stage(config.DftStage, args.config)
    set_limits(stage.limits)
    inputs = [args.selected, *_with_structures(args.relaxed)]
    with replaced_files([args.out, args.structures], "dft", inputs=inputs) as (table, structures):
        run_dft(
            stage,
            args.selected,
            args.relaxed,
            args.shard,
            args.folder,
            table,
            structures,
            args.workers,
            args.settings,
            molecules=args.molecules,
        )


def _dft_references(args: argparse.Namespace) -> None:
    from adit.data.datasets.builtin_crystals import builtin_elements
    from adit.hull.dft_references import dft_references

    stage = config.load_stage(config.DftStage, args.config)
    set_limits(stage.limits)
    inputs = [*_with_structures(args.relaxed), *args.data]
    with replaced_files([args.out], "dft-references", inputs=inputs) as (new,):
        elements = builtin_elements()
        dft_references(stage, args.relaxed, args.data, elements, args.folder, new, args.workers, args.settings)


def register(verbs: Verbs) -> None:
    """Add the verbs of this room."""
    verbs.add("relax", _relax, _declare_relax)
    verbs.stage("relax", _relax_stage, _declare_relax_stage)
    verbs.stage("relax-molecules", _relax_molecules_stage, _declare_relax_molecules_stage)
    verbs.stage("reference", _reference, _declare_reference)
    verbs.add("hull", _hull, _declare_hull)
    verbs.stage("hull", _hull_stage, _declare_hull_stage)
    verbs.stage("select", _select, _declare_select)
    verbs.stage("select-molecules", _select_molecules, _declare_select_molecules)
    verbs.stage("dft", _dft, _declare_dft)
    verbs.stage("dft-references", _dft_references, _declare_dft_references)


def _declare_relax(sub: argparse.ArgumentParser) -> None:
    add_structures(sub)
    sub.add_argument("--only", metavar="ID", nargs="+", default=[], help="ids of structures; default: all of the files")
    text = "method for energies and forces; default: gfn2-xtb for molecules, relax.engine of --config for crystals"
    sub.add_argument("--engine", choices=(MOLECULES, *POTENTIALS, *ENGINES), help=text)
    sub.add_argument("--ions", action="store_true", help="ionisation energy and electron affinity of molecules too")
    sub.add_argument(
        "--conformers",
        type=from_zero,
        help="conformers for the strain of molecules; default: relax.molecule.conformers of --config",
    )
    sub.add_argument("--weights", help="file of a potential's weights; default: relax.weights of --config")
    sub.add_argument("--python", help="interpreter that has the potential; default: relax.python of --config")
    named = ", ".join(f"{entry.preset} ({name})" for name, entry in ENGINES.items())
    sub.add_argument("--preset", help=f"settings of a DFT engine, by name; default: {named}")
    text = "wall-time limit per attempt at a structure, s; default: relax.wall_limit_s or dft.wall_limit_s of --config"
    sub.add_argument("--wall-limit", type=float, help=text)
    sub.add_argument("--command", help="command that starts VASP; default: dft.command of --config")
    add_paths(sub, "out")
    add_paths(sub, "settings", required=False, default=PRESETS)
    add_workers(sub)


def _declare_relax_stage(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "samples", "out", "structures", "extxyz")
    add_paths(sub, "cache", required=False)
    add_workers(sub)


def _declare_relax_molecules_stage(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "samples", "out", "structures", "extxyz", "sdf")
    add_paths(sub, "cache", required=False)
    add_workers(sub)


def _declare_reference(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "data", "relaxed", many=True, required=False)
    add_paths(sub, "out", "cache")
    _add_mirror(sub)
    add_workers(sub)


def _declare_hull(sub: argparse.ArgumentParser) -> None:
    text = "tables or folders from `adit relax`, or structures with energies"
    sub.add_argument("tables", metavar="TABLE", type=Path, nargs="+", help=text)
    add_paths(sub, "out")
    add_paths(sub, "reference", required=False)
    text = "reference to compute if --reference is not given; default: hull.reference of --config"
    sub.add_argument("--hull", help=text)
    text = "base addresses of OPTIMADE providers, for --hull optimade; default: hull.live.providers of --config"
    sub.add_argument("--provider", metavar="URL", nargs="+", default=[], help=text)
    text = "compounds for pairs without one in the reference; default: hull.competing of --config"
    sub.add_argument("--competing", choices=("none", "prototypes"), help=text)
    text = "skip pairs that are not finished in this time, core hours; default: hull.competing_core_hours of --config"
    sub.add_argument("--core-hours", type=float, help=text)
    text = "table of searched pairs, read and written; default: prototypes.parquet in the folder named after --out"
    sub.add_argument("--cache", type=Path, help=text)
    text = "method of energies whose table does not say it, e.g. vasp/PBE(+U)/MP2020; default: none"
    sub.add_argument("--energy-tag", help=text)
    _add_mirror(sub)
    add_workers(sub)


def _declare_hull_stage(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "relaxed", many=True)
    add_paths(sub, "reference", "out")
    add_paths(sub, "cache", required=False)
    add_workers(sub)


def _declare_select(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "relaxed", many=True)
    add_paths(sub, "hull", "out")
    add_paths(sub, "judge", required=False)
    add_paths(sub, "settings", required=False, default=PRESETS)


def _declare_select_molecules(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "relaxed", "data", many=True, required=False)
    add_paths(sub, "out")
    add_paths(sub, "settings", required=False, default=PRESETS)


def _declare_dft(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "selected", "folder", "out", "structures")
    add_paths(sub, "relaxed", many=True)
    sub.add_argument("--shard", type=from_zero, default=0, help="index of the shard, from 0")
    sub.add_argument("--molecules", action="store_true", help="the structures are molecules: use dft.molecule.preset")
    add_workers(sub, "structures at a time")
    add_paths(sub, "settings", required=False, default=PRESETS)


def _declare_dft_references(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "relaxed", many=True)
    add_paths(sub, "data", many=True, required=False)
    add_paths(sub, "folder", "out")
    add_paths(sub, "settings", required=False, default=PRESETS)
    add_workers(sub, "structures at a time")


def _add_mirror(sub: argparse.ArgumentParser) -> None:
    text = "folder or URL with copies of the public files, used first; default: mirror of --config"
    sub.add_argument("--mirror", help=text)
