"""Sections of input: limits on files, memory and network, and how other people's files become structures."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from adit.config.base import PositiveFloat, Strict

Bytes = Annotated[int, Field(gt=0, le=10**15)]
"""A number of bytes, which may be larger than ``MOST``."""

LEAST_WORKER = 500_000_000
"""Bytes of memory that a worker needs for its libraries and a structure of a few atoms."""


class LimitsConfig(Strict):
    """Limits on input. Input beyond a limit is a failure row (or an error) whose reason names the key of the limit."""

    file_bytes: Bytes = Field(
        500_000_000,
        description="bytes of one input file, or of one file in an archive, unpacked; larger ones are not read",
    )
    archive_bytes: Bytes = Field(
        1_000_000_000,
        description="bytes of all files of an archive together, unpacked; files after the limit are not read",
    )
    entries: Annotated[int, Field(gt=0, le=10**7)] = Field(
        1_000_000, description="structures read by one command; the rest is one failure row"
    )
    atoms: Annotated[int, Field(gt=0, le=10**7)] = Field(
        10_000, description="atoms of one structure in an input file; larger ones are failure rows"
    )
    read_s: PositiveFloat = Field(60.0, description="wall-time limit for reading one structure, s")
    worker_bytes: Annotated[int, Field(ge=LEAST_WORKER, le=10**15)] = Field(
        2_000_000_000, description="memory of one worker process that reads or checks structures, bytes"
    )
    download_bytes: Bytes = Field(
        20_000_000_000,
        description="bytes of one download without a published size; if a size is published, it is the limit",
    )
    download_bytes_per_s: PositiveFloat = Field(
        1000.0, description="slowest download, bytes/s, averaged over each minute; a slower one counts as interrupted"
    )
    retry_after_s: PositiveFloat = Field(300.0, description="longest wait requested by a server, s")


class ReadConfig(Strict):
    """How structures are read from files."""

    merge_distance: Annotated[float, Field(ge=0, le=1)] = Field(
        0.2, description="symmetry copies of one site in a CIF closer than this distance are merged at their mean, Å"
    )
    refuse_contradictions: bool = Field(
        False,
        description="true: a structure that contradicts its own file (formula, Z, density, volume, number of atoms) "
        "is a failure row; false: a row with a note",
    )
