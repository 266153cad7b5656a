"""Section of reading: how other people's files become structures."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from adit.config.base import Strict


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
