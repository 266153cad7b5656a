"""Verbs that fill the table of energies in the package, or one of the user: references, prototypes of many pairs."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from adit import config
from adit.api.references import builtin_data
from adit.cli.parsing import Verbs, add_paths, add_workers
from adit.cli.relax import POTENTIALS
from adit.errors import DataError
from adit.outputs.replace import replaced_files
from adit.progress import log

if TYPE_CHECKING:
    from adit.hull.convex_hull import Hull


def _ship_references(args: argparse.Namespace) -> None:
    from adit.hull.reference import ship
    from adit.relax.potentials.chosen import Chosen

    data = builtin_data(args.cache, config.Config(), args.workers)
    with replaced_files([args.out], "ship-references", inputs=[data]) as (new,):
        if args.out.is_file():  # rows of other potentials stay
            shutil.copyfile(args.out, new)
        places, budget_s = (new, data, args.cache / "state"), 3600 * args.core_hours / args.workers
        ship(*places, args.workers, Chosen(args.engine), budget_s)


def coverage(before: Hull, after: Hull, chemical: Iterable[frozenset[str]]) -> str:
    """Return what two hulls know of the pairs of elements of crystals, as a sentence.

    Args:
        before: hull without prototypes.
        after: hull with prototypes.
        chemical: elements of each crystal.
    """
    systems = Counter(chemical)
    crystals = sum(systems.values())
    gaps, covered = [], []
    for hull in (before, after):
        missing = {elements: len(hull.gaps(elements)) for elements in systems}
        gaps.append(sum(missing[elements] * n for elements, n in systems.items()))
        covered.append(sum(n for elements, n in systems.items() if not missing[elements]))
    share = 100 * (gaps[0] - gaps[1]) / max(1, gaps[0])
    return (
        f"{share:.1f} % of the pairs that the crystals lack are completed; "
        f"{covered[1]} of {crystals} crystals lack no pair, {covered[0]} before"
    )


def _ship_prototypes(args: argparse.Namespace) -> None:
    from adit.elements import composition
    from adit.hull.competing import Search, with_prototypes
    from adit.hull.hull import read_reference
    from adit.hull.reference import reference
    from adit.hull.shipped import merge
    from adit.relax.potentials.chosen import Chosen
    from adit.store import read_systems

    relax = config.parse_as(config.RelaxConfig, {"engine": args.engine}, "--engine")
    whole = config.Config(relax=relax, hull=config.HullConfig(reference="builtin"))
    chemical = [frozenset(composition(system.numbers)) for path in args.data for system in read_systems(path).systems()]
    crystals = builtin_data(args.cache, whole, args.workers)
    with tempfile.TemporaryDirectory(prefix="adit-prototypes-") as folder:
        own = Path(folder) / "reference.parquet"
        reference(whole.stage(config.ReferenceStage), [crystals], own, args.cache / "state", args.workers)
        hull = read_reference(own)
    kept = args.cache / f"prototypes-{args.engine}.parquet"  # a killed run resumes from it
    judges = tuple(Chosen(name) for name in args.judge)
    grown = with_prototypes(hull, chemical, Search(relax, kept, args.core_hours, args.workers, judges))
    log.info(coverage(hull, grown, chemical))
    if not kept.is_file():
        raise DataError(f"{kept}: no pair is finished; give the search more core hours")
    with replaced_files([args.out], "ship-prototypes", inputs=args.data) as (new,):
        if args.out.is_file():  # rows of other sets stay
            shutil.copyfile(args.out, new)
        merge(kept, new)


def register(verbs: Verbs) -> None:
    """Add the verbs of this room."""
    verbs.add("ship-references", _ship_references, _declare_ship_references)
    verbs.add("ship-prototypes", _ship_prototypes, _declare, needs_config=False)


def _declare(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "data", many=True)
    add_paths(sub, "out", "cache")
    sub.add_argument("--engine", choices=POTENTIALS, default="chgnet", help="potential of the energies")
    text = "potentials whose energies of the relaxed prototypes are kept too"
    sub.add_argument("--judge", choices=POTENTIALS, nargs="*", default=["sevennet"], help=text)
    text = "skip pairs that are not finished within this time, core hours; repeat the command to resume"
    sub.add_argument("--core-hours", type=float, default=4.0, help=text)
    add_workers(sub)


def _declare_ship_references(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--engine", choices=POTENTIALS, default="chgnet", help="potential of the energies")
    text = "skip crystals that are not finished within this time, core hours (repeat to resume); default: no limit"
    sub.add_argument("--core-hours", type=float, default=float("inf"), help=text)
    add_paths(sub, "out", "cache")
    add_workers(sub)
