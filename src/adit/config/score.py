"""Sections of scores, of look-ups and of the report."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from adit.config.base import Address, Count, Positive, PositiveFloat, Program, Strict


class ScoreConfig(Strict):
    """Scores."""

    controls: Count = Field(1000, description="systems per control row (train, test, noise, random)")
    confidence: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.95, description="confidence level of the Wilson intervals"
    )
    posebusters: Count | None = Field(None, description="molecules per population checked with PoseBusters; null: all")
    xtb: Count | None = Field(
        200,
        description="molecules per control row, and of samples without a relaxation, relaxed with GFN2-xTB; null: all",
    )
    mof_controls: Count = Field(20, description="MOFs per control row; MOFChecker takes seconds per MOF")
    mofchecker_python: Program | None = Field(
        None, description="Python of the environment with mofchecker; null: the current Python"
    )
    wall_limit_s: PositiveFloat = Field(60.0, description="wall-time limit for the checks of one structure, s")


class LookupConfig(Strict):
    """Where it is looked up whether a structure is known; nothing is asked unless it is named here."""

    providers: tuple[Address, ...] = Field((), description="base addresses of OPTIMADE providers, for crystals")
    pubchem: Address | None = Field(
        None, description="base address of PubChem's PUG REST, for molecules; null: not asked"
    )
    references: tuple[str, ...] = Field((), description="files of known structures, in any format that is read")
    top: Positive | None = Field(100, description="best candidates of each kind that are looked up; null: all")
    rate: Annotated[float, Field(gt=0, le=10)] = Field(2.0, description="queries of one server, 1/s")
    timeout_s: PositiveFloat = Field(60.0, description="longest time of one answer, s")
    answer_bytes: Positive = Field(10_000_000, description="bytes of one answer; a longer one is not used")
    pages: Annotated[int, Field(gt=0, le=1000)] = Field(
        20, description="pages of one query; what comes after them is not asked for"
    )
    page_limit: Annotated[int, Field(gt=0, le=500)] = Field(50, description="entries of a page that are asked for")
    disordered: bool = Field(True, description="ask for disordered phases of the same elements too")

    @property
    def used(self) -> bool:
        """Return whether anything is looked up."""
        return bool(self.providers or self.pubchem or self.references)


class ReportConfig(Strict):
    """Report."""

    title: str = Field("ADiT discovery run", description="title of the page")
    gallery: Count = Field(12, description="pictures per kind")
    dossiers: Count = Field(5, description="dossiers of the best candidates of each kind, in dossiers/; 0: none")
    baseline: str | None = Field(
        None,
        min_length=1,
        description="folder of another run whose samples are shown as a control, e.g. of a generator without a model",
    )
