"""Sections of scores and report."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from adit.config.base import Count, PositiveFloat, Program, Strict


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
