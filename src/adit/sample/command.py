"""``adit stage sample-command``: a program of the user's writes the samples of a shard.

Reads:  what ``sample.command`` writes into its output folder
Writes: samples/<kind>/<shard>.arrow
"""

from __future__ import annotations

import hashlib
import shlex
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from adit.columns import Col
from adit.config import CommandStage
from adit.config.sample import filled
from adit.errors import ConfigError, DataError, ExternalToolError
from adit.outputs.parts import HIDDEN
from adit.program import Ended, arguments, run_program
from adit.progress import log
from adit.readers import ReadRow, as_kind, read_structures, settings_of
from adit.seeds import derive_seed
from adit.store import Row, write_systems
from adit.systems import Failure, Kind

WHO = "sample.command"
"""Key of the configuration, for messages."""

STAGE = "command"
"""Stage of the failures of samples that the program did not write."""


def sample_command(stage: CommandStage, kind: Kind, shard: int, out: Path, workers: int = 1) -> None:
    """Run the program for one shard and write its samples.

    A structure that cannot be read, and each one that is missing, is a failure: it counts as a sample that is not
    valid. Of more structures than requested, the first ones are taken.

    Args:
        stage: slice of the configuration.
        kind: kind of system.
        shard: index of the shard, from 0.
        out: the Arrow file.
        workers: processes that read the structures.

    Raises:
        ConfigError: ``sample.command`` is empty, or the run has no such shard.
        ExternalToolError: the program does not start, fails, exceeds the wall limit, or writes no file.
        DataError: nothing that it wrote can be read, or all of it is of another kind.
    """
    sample = stage.sample
    if stage.command is None:
        raise ConfigError("sample.command is empty; give the program that writes samples")
    if not 0 <= shard < max(1, sample.n_shards(kind)):
        raise ConfigError(f"shard {shard}: the run has {sample.n_shards(kind)} of {kind}s")
    first, last = sample.bounds(kind, shard)
    number, seed = last - first, program_seed(stage.seed, kind, shard)
    with tempfile.TemporaryDirectory(prefix="adit-") as folder:
        output = Path(folder) / "output"
        output.mkdir()
        words = command_words(stage.command, output, number, seed, kind)
        log.info("%s starts: %s", WHO, shlex.join(words))
        ended = run_program(words, WHO, stage.command_wall_limit_s, ", or sample.shards")
        source = output if stage.command_reads is None else output / stage.command_reads
        rows = _read(stage, source, kind, ended, workers)
        provenance: dict[str, Any] = {
            "kind": str(kind),
            "seed": stage.seed,
            "command": stage.command,
            "command_reads": stage.command_reads,
            "program_seed": seed,
            "versions": list(ended.versions),
            "output_sha256": output_hash(source),
            "written": len(rows),
        }
    write_systems(out, _numbered(rows, f"{kind}-{stage.seed}", first, number, kind), metadata=provenance)


def program_seed(seed: int, kind: Kind, shard: int) -> int:
    """Return the seed that a program gets for a shard: 31 bits, which most programs accept."""
    return derive_seed("command", seed, str(kind), shard) >> 32


def command_words(command: str, output: Path, number: int, seed: int, kind: Kind) -> list[str]:
    """Return the arguments of a command; environment variables are replaced before the placeholders.

    Args:
        command: as in ``sample.command``, with placeholders.
        output: value of ``{output}``, the folder to write to.
        number: value of ``{number}``, number of samples.
        seed: value of ``{seed}``.
        kind: value of ``{kind}``.
    """
    values = {"output": str(output), "number": str(number), "seed": str(seed), "kind": str(kind)}
    return filled(arguments(command), values)


def output_hash(source: Path) -> str:
    """Return the SHA-256 (hexadecimal) of a file, or of all file names and contents in a folder."""
    files = sorted(path for path in source.rglob("*") if path.is_file()) if source.is_dir() else [source]
    digest = hashlib.sha256()
    for path in files:
        name = path.relative_to(source).as_posix() if source.is_dir() else path.name
        with path.open("rb") as handle:
            digest.update(f"{name}\n{hashlib.file_digest(handle, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def _read(stage: CommandStage, source: Path, kind: Kind, ended: Ended, workers: int) -> list[ReadRow]:
    """Return what the program wrote, as rows of the kind.

    Raises:
        ExternalToolError: there is no file.
        DataError: nothing can be read, or nothing is of the kind.
    """
    if not source.exists() or (source.is_dir() and not any(_visible(source))):
        what = "nothing" if stage.command_reads is None else f"no {stage.command_reads}"
        raise ExternalToolError(f"{WHO}: wrote {what} into {{output}}{ended.said}")
    try:
        rows = read_structures([source], settings_of(stage.read, stage.limits, workers))
    except DataError as error:
        raise DataError(f"{WHO}: {str(error).replace(str(source), '{output}')}") from error
    systems = [each.row for each in rows if not isinstance(each.row, Failure)]
    if not systems:
        reason = rows[0].row.reason if isinstance(rows[0].row, Failure) else ""
        raise DataError(f"{WHO}: none of the {len(rows)} structures that it wrote can be read ({reason})")
    others = sum((system.cell is not None) != kind.periodic for system in systems)
    if others == len(systems):
        wrong = "have no cell" if kind.periodic else "have a cell"
        raise DataError(f"{WHO}: wrote no {kind}s: its {others} structures {wrong}; see sample.{kind} and {{kind}}")
    return [as_kind(each, kind) for each in rows]


def _visible(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and HIDDEN not in path.parts]


def _numbered(rows: Sequence[ReadRow], prefix: str, first: int, number: int, kind: Kind) -> list[Row]:
    """Return exactly ``number`` rows with the ids of the run; the program's ids are kept in ``info``."""
    if len(rows) > number:
        log.warning("%s: wrote %d %ss; the first %d are taken", WHO, len(rows), kind, number)
    if len(rows) < number:
        log.warning("%s: wrote %d of %d %ss; the others are failures", WHO, len(rows), number, kind)
    kept: list[Row] = []
    for index, read in enumerate(rows[:number], start=first):
        row = read.kept()
        if isinstance(row, Failure):
            kept.append(replace(row, system_id=f"{prefix}-{index}", kind=kind))
        else:
            info = {**row.info, "program_id": row.system_id}
            info.pop(str(Col.SOURCE), None)  # a temporary folder
            kept.append(replace(row, system_id=f"{prefix}-{index}", info=info))
    missing = range(first + len(kept), first + number)
    reason = f"the program wrote {len(rows)} of {number} samples"
    return [*kept, *(Failure(f"{prefix}-{index}", STAGE, reason, kind) for index in missing)]
