"""How fast files of 10,000 structures are read and how much memory that takes, beside another checkout.

python benchmarks/reading.py --mp20 ../shared/data/mp20/train.csv.gz --against CHECKOUT [--rounds 3] [--json out.json]

The forms: one folder and one zip of CIFs, a CSV with a column of CIFs and one extended XYZ file, made of the CIFs of
MP20; beside them, folders of CIFs that ASE wrote in P 1 and of CIFs with symmetry. Each form is read by both checkouts
in turn, in a process of its own with two workers. Rates are those of the fastest round, without the imports of the
main process; processor seconds are those of the cheapest round, with all imports.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import os
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

from large_inputs import watched
from machine import describe

from adit import convert
from adit.readers.formats.cif import parse_cif
from adit.store import write_extxyz

CHILD = """
import json, logging, resource, sys, time
from pathlib import Path
given, out, workers = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
logging.disable(logging.CRITICAL)
if __name__ == "__main__":
    try:
        from adit.readers import ReadSettings, read_structures
        start = time.perf_counter()
        rows = [each.row for each in read_structures([given], ReadSettings(workers=workers))]
    except ImportError:
        from adit.score.sample_files import read_samples
        start = time.perf_counter()
        rows = [row for some in read_samples([given], None, workers=workers, wall_limit_s=60).values() for row in some]
    seconds = time.perf_counter() - start
    atoms = [len(row) for row in rows if hasattr(row, "numbers")]
    used = [resource.getrusage(each) for each in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    result = {"rows": len(rows), "read": len(atoms), "atoms": sum(atoms), "seconds": seconds}
    out.write_text(json.dumps({**result, "cpu": sum(each.ru_utime + each.ru_stime for each in used)}))
"""
"""Reads what is given, whatever the checkout's function for that is."""

Texts = dict[str, str]


def mp20_texts(path: Path, count: int) -> Texts:
    """Return the CIFs of a table of MP20 by their ids."""
    csv.field_size_limit(1 << 30)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return {row["material_id"]: row["cif"] for row, _ in zip(csv.DictReader(file), range(count), strict=False)}


def folder(texts: Texts, out: Path) -> Path:
    """Write a folder of CIFs."""
    out.mkdir()
    for name, text in texts.items():
        (out / f"{name}.cif").write_text(text, encoding="utf-8")
    return out


def archive(texts: Texts, out: Path) -> Path:
    """Write a zip of CIFs."""
    path = out.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in texts.items():
            file.writestr(f"{name}.cif", text)
    return path


def table(texts: Texts, out: Path) -> Path:
    """Write a CSV with a column of CIFs."""
    path = out.with_suffix(".csv")
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["material_id", "cif"])
        rows.writerows(texts.items())
    return path


def frames(texts: Texts, out: Path) -> Path:
    """Write one extended XYZ file."""
    path = out.with_suffix(".extxyz")
    write_extxyz(path, [parse_cif(text).system for text in texts.values()])
    return path


def by_ase(texts: Texts, out: Path) -> Path:
    """Write a folder of CIFs in P 1 as ASE lays them out."""
    import ase.io

    written = {}
    for name, text in texts.items():
        raw = io.BytesIO()
        ase.io.write(raw, convert.to_atoms(parse_cif(text).system), format="cif")
        written[name] = raw.getvalue().decode()
    return folder(written, out)


def symmetric(texts: Texts, out: Path) -> Path:
    """Write a folder of CIFs with the operators of their space groups, as pymatgen lays them out."""
    from pymatgen.io.cif import CifWriter

    structures = {name: convert.to_structure(parse_cif(text).system) for name, text in texts.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return folder({name: str(CifWriter(each, symprec=0.01)) for name, each in structures.items()}, out)


FORMS: dict[str, tuple[Callable[[Texts, Path], Path], float]] = {
    "folder of CIFs": (folder, 1.0),
    "zip of CIFs": (archive, 1.0),
    "CSV of CIFs": (table, 1.0),
    "one extended XYZ": (frames, 1.0),
    "folder of ASE's CIFs in P 1": (by_ase, 0.2),
    "folder of CIFs with symmetry": (symmetric, 0.2),
}
"""What writes each form, and the share of the structures it gets."""


def main() -> None:
    """Make the files, read them with each checkout in turn and print a table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--mp20", type=Path, required=True, help="train.csv.gz of MP20")
    options.add_argument("--against", type=Path, help="another checkout of this repository")
    options.add_argument("--count", type=int, default=10_000)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    options.add_argument("--json", type=Path)
    args = options.parse_args()
    sources = {"this": Path(__file__).parents[1], **({"other": args.against} if args.against else {})}
    texts = mp20_texts(args.mp20, args.count)
    results: dict[str, object] = {"machine": describe()}
    each = " structures/s | processor s | peak, GB |"
    print(f"| files | structures |{each}{f' the other:{each} times as fast |' if args.against else ''}")
    print(f"|---|---|{'---|' * (7 if args.against else 3)}")
    with tempfile.TemporaryDirectory() as scratch:
        for number, form in enumerate(args.forms):
            write, share = FORMS[form]
            some = dict(list(texts.items())[: round(share * len(texts))])
            given = write(some, Path(scratch) / f"form{number}")
            runs = [
                (name, read(given, source, Path(scratch), args.workers))
                for _ in range(args.rounds)
                for name, source in sources.items()
            ]
            best = {name: fastest([run for each, run in runs if each == name]) for name in sources}
            results[form] = best
            print(line(form, best), flush=True)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def read(given: Path, source: Path, scratch: Path, workers: int) -> dict[str, float]:
    """Read files with a checkout in a process of its own; return rows, seconds and peak memory in GB."""
    child, out = scratch / "child.py", scratch / "out.json"
    child.write_text(CHILD, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str((source / "src").resolve()), "OMP_NUM_THREADS": "1"}
    code, peak = watched([sys.executable, str(child), str(given), str(out), str(workers)], environment)
    if code:
        raise SystemExit(f"{source}: reading {given} ended with {code}")
    return {**json.loads(out.read_text(encoding="utf-8")), "peak": peak / 1e9}


def fastest(runs: list[dict[str, float]]) -> dict[str, float]:
    """Return the fastest run, with the fewest processor seconds and the largest memory of all."""
    cheapest = min(run["cpu"] for run in runs)
    return {**min(runs, key=lambda run: run["seconds"]), "cpu": cheapest, "peak": max(run["peak"] for run in runs)}


def line(form: str, best: dict[str, dict[str, float]]) -> str:
    """Return a row of the table."""
    cells = [form, f"{best['this']['read']:,}"]
    for each in best.values():
        cells += [f"{each['rows'] / each['seconds']:,.0f}", f"{each['cpu']:.1f}", f"{each['peak']:.2f}"]
    if "other" in best:
        cells.append(f"{best['other']['seconds'] / best['this']['seconds']:.2f}")
        if best["other"]["read"] != best["this"]["read"] or best["other"]["atoms"] != best["this"]["atoms"]:
            cells[1] += f" (the other: {best['other']['read']:,}, {best['other']['atoms']:,} atoms)"
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
