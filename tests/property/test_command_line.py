"""Any words on the command line: no traceback, a known exit code, and no file changed outside the output."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adit import cli
from adit.store import write_extxyz, write_systems
from tests.conftest import random_crystal
from tests.weights import write_weights

CODES = {0, 2, 3, 4, 130, 143}

FILES = {
    "empty": b"",
    "zero.bin": b"\0" * 100,
    "raw.cif": bytes(range(256)) * 4,
    "broken.cif": b"data_x\n_cell_length_a 3\nloop_\n_atom_site_label\nX Y Z\n",
    "half.xyz": b"3\n\nH 0 0 0\n",
    "many.csv": (",".join(f"column{n}" for n in range(20_000)) + "\n1\n").encode(),
    "formula.csv": b"id,cif\n=1+1,@x\n",
    "broken.zip": b"PK\x03\x04" + b"x" * 50,
    "broken.arrow": b"ARROW1\0\0" + b"x" * 50,
    "broken.parquet": b"PAR1" + b"x" * 50 + b"PAR1",
    "list.json": b"[1, 2]",
    "deep.json": b"[" * 20_000,
    "deep.yaml": b"a: " + b"[" * 20_000,
    "twice.yaml": b"name: a\nname: b\n",
    "small.yaml": b"name: fuzz\nsample: {crystal: 2, molecule: 0, shards: 1, steps: 2}\n",
    "POSCAR": b"x\n1\n1 0 0\n0 1 0\n",
}


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of files that readers break on, and a few good ones."""
    folder = tmp_path_factory.mktemp("zoo")
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    (folder / "folder.cif").mkdir()
    (folder / "a folder with spaces").mkdir()
    shutil.copy(folder / "raw.cif", folder / "a folder with spaces/ä \u202e.cif")
    systems = [random_crystal(np.random.default_rng(seed), 3, f"s{seed}") for seed in range(3)]
    write_systems(folder / "good.arrow", systems, splits=["train", "val", "test"])
    write_extxyz(folder / "good.extxyz", systems)
    write_weights(folder / "weights")
    return folder


NAMES = [
    *(
        *FILES,
        "folder.cif",
        "a folder with spaces",
        "good.arrow",
        "good.extxyz",
        "weights",
        "weights/vae",
        "weights/dit",
    ),
    *("nosuch", "../zoo-beside", ".", "/dev/null", "/proc/self/mem", "x" * 300, "ü\udcff", "-", "é/è"),
]
VERBS = [
    *("check", "info", "schema", "plan", "fetch", "prepare", "vae", "encode", "dit", "bundle", "sample", "trajectory"),
    *("tune", "relax", "reference", "hull", "select", "dft", "dft-references", "reconstruct", "checks", "score"),
    *("report", "compare", "ablations", "take", "doctor", "closing", "labels", "decay", "judge", "judge-hull"),
    *("ship-prototypes", "nosuch", ""),
]
FLAGS = [
    *("--config", "--out", "--log", "--kind", "--n", "--weights", "--vae", "--dit", "--data", "--dataset", "--state"),
    *("--samples", "--structures", "--extxyz", "--relaxed", "--hull", "--reference", "--limit", "--split", "--steps"),
    *(
        "--atoms",
        "--composition",
        "--motif",
        "--label",
        "--seed",
        "--shard",
        "--shards",
        "--index",
        "--frames",
        "--sample",
    ),
    *(
        "--sample",
        "--run",
        "--run-config",
        "--points",
        "--folder",
        "--selected",
        "--models",
        "--engine",
        "--preset",
        "--command",
    ),
    *("--adopt", "--labels", "--latents", "--judged", "--competing", "--core-hours", "--python", "--workers"),
    *("--wall-limit", "--energy-tag", "--mirror", "--guidance", "--solver", "--spacegroup", "--stats", "--list"),
]
VALUES = st.one_of(
    st.sampled_from(
        ["crystal", "molecule", "mof", "0", "1", "-1", "1e400", "nan", "9" * 30, "x=1", "=", "{}", "{", "[]"]
    ),
    st.sampled_from(
        ['{"name": 1}', '{"sample": {"crystal": 1}}', '{"seed": 1, "sample": {}}', "a\nb", "$(touch PWNED)"]
    ),
    st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=12),
)
PATHS = st.sampled_from(NAMES).map(lambda name: f"@{name}")


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """Return a verb and words; a path in the zoo begins with ``@``."""
    words = [*(["stage"] if draw(st.booleans()) else []), draw(st.sampled_from(VERBS))]
    words += draw(st.lists(PATHS, max_size=2))
    for flag in draw(st.lists(st.sampled_from(FLAGS), max_size=6)):
        words += [flag, *draw(st.lists(st.one_of(VALUES, PATHS), max_size=2))]
    if draw(st.booleans()):
        words += ["--out", f"out/{draw(st.sampled_from(['x.arrow', 'x.parquet', 'x', 'x.json', '-x']))}"]
    return words


def snapshot(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@contextmanager
def working_in(folder: Path, cache: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ADIT_CACHE", str(cache))
        patch.setenv("XDG_CACHE_HOME", str(cache))
        patch.setenv("ADIT_MIRROR", str(cache / "no mirror"))
        yield


WRITERS = (
    "--out",
    "--log",
    "--state",
    "--stats",
    "--structures",
    "--extxyz",
    "--folder",
    "--cache",
    "--timing",
    "--points",
)
"""Flags that name what is written: with ``--adopt`` they get a path of the output, otherwise also a file of the zoo."""


def assert_kept(zoo: Path, before: dict[str, str], real: list[str]) -> None:
    """Check that no file changed, and that new ones are where an option said; take these away."""
    after = snapshot(zoo)
    assert {name: after.get(name) for name in before} == before, real
    new = after.keys() - before.keys()
    assert not new or any(word.startswith(str(zoo)) for word in real), (real, new)
    for name in new:
        (zoo / name).unlink()
    for folder in sorted({parent for name in new for parent in (zoo / name).parents if zoo in parent.parents}):
        if not any(folder.iterdir()):
            folder.rmdir()


def run(words: list[str], zoo: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Run a command line beside the zoo, and check what it said, returned and left."""
    real, flag = [], ""
    for word in words:
        flag = word if word.startswith("--") else flag
        written = flag in WRITERS and word != flag and not word.startswith("out")
        if written and ("--adopt" in words or not word.startswith("@") or word == "@empty"):
            real.append(f"out/{word.removeprefix('@').replace('/', '_')}")
        else:
            real.append(str(zoo / word[1:]) if word.startswith("@") else word)
    before = snapshot(zoo)
    (folder / "out").mkdir(exist_ok=True)
    with working_in(folder, folder / "out/cache"):
        try:
            code = cli.main(real)
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
    output = capsys.readouterr()
    assert code in CODES, (real, code, output.err[-2000:])
    assert "Traceback" not in output.err, real
    errors = [line for line in output.err.splitlines() if "error: " in line]
    assert all(len(line) < 1500 and line.isprintable() for line in errors), errors
    assert_kept(zoo, before, real)
    outside = {path.name for path in folder.iterdir()} - {"out", "results", "scores"}
    assert not outside, (real, outside)


QUICK = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def quick(words: list[str]) -> bool:
    """Return whether a line does not start worker processes or trainings."""
    return (
        words[0] not in ("relax", "score", "take", "reference", "hull", "doctor", "checks", "prepare") or len(words) < 3
    )


@given(words=command_lines().filter(quick))
@QUICK
def test_any_words_end_in_one_line(words: list[str], zoo: Path, tmp_path_factory: pytest.TempPathFactory,
                                   capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    run(words, zoo, tmp_path_factory.mktemp("here"), capsys)


@given(words=command_lines().filter(lambda words: not quick(words)))
@settings(QUICK, max_examples=40)
@pytest.mark.slow
def test_any_words_of_verbs_that_work_long(words: list[str], zoo: Path, tmp_path_factory: pytest.TempPathFactory,
                                           capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    run(words, zoo, tmp_path_factory.mktemp("here"), capsys)


@st.composite
def cleanings(draw: st.DrawFn) -> list[str]:
    """Return a line of ``clean``: folders of the zoo and of the output only, for it walks whatever it is given."""
    places = [*(f"@{name}" for name in NAMES if not name.startswith(("/", ".."))), "out", "out/x", "-x", ""]
    flags = st.sampled_from([[], ["--adopt"], ["--log", "out/x.log"], ["--log", "@raw.cif"], ["--nosuch"]])
    return ["clean", *draw(st.lists(st.sampled_from(places), max_size=3)), *draw(flags)]


@given(words=cleanings())
@settings(QUICK, max_examples=40)
def test_clean_takes_nothing_of_others(words: list[str], zoo: Path, tmp_path_factory: pytest.TempPathFactory,
                                       capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("here")
    (folder / "out").mkdir()
    (folder / "out/link").symlink_to(zoo)
    run(words, zoo, folder, capsys)
    assert (folder / "out/link").is_symlink()


PARTS = ["--vae", "@weights/vae", "--dit", "@weights/dit"]
SELECT = ["--config", '{"select": {}, "engine": "gpaw", "preset": "demo"}']
REPORT = '{"name": "x", "report": {}}'
OVER = [
    ["sample", "--weights", "@weights", "--kind", "crystal", "--n", "1", "--motif", "@raw.cif", "--out", "@raw.cif"],
    ["sample", "--weights", "@weights", "--kind", "crystal", "--n", "1", "--out", "@weights/dit/model.safetensors"],
    ["sample", *PARTS, "--kind", "mof", "--n", "1", "--out", "@weights/dit/config.json"],
    ["encode", "--vae", "@weights/vae", "--data", "@good.arrow", "--out", "@good.arrow"],
    ["reconstruct", "--vae", "@weights/vae", "--data", "@good.arrow", "--out", "@good.arrow"],
    ["labels", "--config", '{"seed": 0, "labels": {"gaps": 1}}', "--data", "@good.arrow", "--out", "@good.arrow"],
    ["vae", "--config", "@small.yaml", "--data", "@good.arrow", "--out", "@good.arrow", "--state", "out/s"],
    ["decay", *PARTS[:2], "--data", "@good.arrow", "--state", "@weights", "--steps", "1", "--out", "@weights/dit"],
    ["bundle", *PARTS, "--out", "@weights"],
    ["relax", "@raw.cif", "--out", "@raw.cif"],
    ["score", "@good.extxyz", "--out", "@good.extxyz"],
    ["hull", "@formula.csv", "--out", "@formula.csv", "--energy-tag", "x"],
    ["stage", "select", *SELECT, "--relaxed", "@broken.parquet", "--hull", "@formula.csv", "--out", "@formula.csv"],
    ["report", "--config", REPORT, "--run", "@a folder with spaces", "--out", "@a folder with spaces"],
    ["compare", "@weights", "--out", "@weights"],
    ["plan", "--config", "@small.yaml", "--out", "@small.yaml"],
    ["prepare", "--config", "@small.yaml", "--dataset", "builtin-crystals", "--out", "@small.yaml"],
    ["check", "--config", "@small.yaml", "--log", "@small.yaml"],
    ["closing", "--config", "@small.yaml", "--log", "@small.yaml"],
]  # fmt: skip
"""Lines that name an input as output too."""


@st.composite
def lines_over_inputs(draw: st.DrawFn) -> tuple[list[str], str]:
    """Return a line that writes over one of its inputs, and under which name it calls the output."""
    words = draw(st.sampled_from(OVER))
    words = [*words, *(["--adopt"] if draw(st.booleans()) else [])]
    return words, draw(st.sampled_from(["same", "relative", "around", "link", "hard", "folder"]))


def spelt(path: Path, way: str, folder: Path) -> str:
    """Return another name of a file: a relative one, one around a folder, a link, a second name, one below a link."""
    (folder / "out").mkdir(exist_ok=True)
    alias = folder / "out" / f"alias{path.suffix}"
    if way == "relative":
        return os.path.relpath(path, folder)
    if way == "around":
        return f"{path.parent}/weights/../{path.name}" if path.parent.name != "weights" else str(path)
    if way == "link":
        alias.symlink_to(path)
    elif way == "hard" and path.is_file():
        alias.hardlink_to(path)
    elif way == "folder":
        alias.symlink_to(path.parent)
        return str(alias / path.name)
    return str(alias if way in ("link", "hard") and alias.exists() else path)


@given(line=lines_over_inputs())
@settings(QUICK, max_examples=60)
def test_no_output_is_written_over_an_input(line: tuple[list[str], str], zoo: Path,
                                            tmp_path_factory: pytest.TempPathFactory,
                                            capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    words, way = line
    folder, before = tmp_path_factory.mktemp("here"), snapshot(zoo)
    place = max(words.index(flag) for flag in ("--out", "--log") if flag in words) + 1
    real = [str(zoo / word[1:]) if word.startswith("@") else word for word in words]
    real[place] = spelt(Path(real[place]), way, folder)
    with working_in(folder, folder / "out/cache"):
        try:
            code = cli.main(real)
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
    output = capsys.readouterr()
    assert code in CODES, (real, output.err[-2000:])
    assert code != 0 or (way in ("hard", "link") and "--adopt" in words), real  # another name may go to another file
    assert "Traceback" not in output.err
    assert snapshot(zoo) == before, real


LONGER = [
    ["check", "--config", "@deep.yaml"],
    ["check", "--config", "@twice.yaml"],
    ["check", "--config", "@zero.bin"],
    ["check", "--log", "@folder.cif"],
    ["info", "--models", "--config", "@list.json"],
    ["prepare", "--config", "@small.yaml", "--dataset", "nosuch", "--out", "out"],
    ["sample", "--weights", "@weights", "--kind", "crystal", "--n", "1", "--steps", "2", "--out", "out/x.arrow"],
    ["sample", "--weights", "@weights", "--kind", "crystal", "--motif", "@raw.cif", "--n", "1", "--out", "out/x.arrow"],
    ["sample", "--vae", "@weights/dit", "--dit", "@weights/vae", "--kind", "mof", "--n", "1", "--out", "out/x.arrow"],
    ["bundle", "--vae", "@empty", "--dit", "@weights/dit", "--out", "out"],
    ["bundle", "--vae", "@weights/vae", "--dit", "@weights/dit", "--out", "out", "--sample", "steps={", "x=1"],
    ["reconstruct", "--vae", "@weights/vae", "--data", "@broken.arrow", "--out", "out/x"],
    ["encode", "--vae", "@weights/vae", "--data", "@good.arrow", "--out", "out/x.arrow"],
    ["stage", "report", "--run", "@a folder with spaces", "--out", "out", "--run-config", "[" * 5000],
    ["stage", "report", "--run", "@a folder with spaces", "--out", "out", "--run-config", "{}"],
    ["compare", "@weights", "@empty", "--out", "out"],
    ["ablations", "--folder", "out/x"],
    ["fetch", "--list"],
    ["fetch", "--dataset", "nosuch"],
    ["plan", "--config", "@small.yaml", "--profile", "@deep.yaml"],
    ["plan", "--config", "@small.yaml", "--profile", "@list.json"],
    ["hull", "@many.csv", "--out", "out/x.csv"],
    ["select", "--relaxed", "@broken.parquet", "--hull", "@many.csv", "--out", "out/x.parquet"],
]


@pytest.mark.parametrize("words", LONGER, ids=lambda words: " ".join(words)[:60])
def test_lines_that_come_far(words: list[str], zoo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(words, zoo, tmp_path, capsys)


SLOW = [
    ["score", "@raw.cif", "@many.csv", "@broken.arrow", "@good.extxyz", "--out", "out/s"],
    ["score", "@a folder with spaces", "@half.xyz", "@POSCAR", "@formula.csv", "--out", "out/s"],
    ["score", "@broken.zip", "--out", "out/s"],
    ["relax", "@raw.cif", "@half.xyz", "@broken.arrow", "--out", "out/r"],
    ["score", "@folder.cif", "--out", "out/s"],
    ["relax", "@empty", "--out", "out/r"],
]


@pytest.mark.parametrize("words", SLOW, ids=lambda words: " ".join(words)[:60])
def test_files_that_readers_break_on(
    words: list[str], zoo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(words, zoo, tmp_path, capsys)


def test_the_zoo_is_what_it_says(zoo: Path) -> None:
    with pytest.raises(RecursionError):
        json.loads((zoo / "deep.json").read_text())
