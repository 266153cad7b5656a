"""Unknown hulls and the second judge on the page: what counts, what ranks, what is said."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from adit.report.candidates.data import ordered
from adit.report.candidates.fields import fields, presets
from adit.report.candidates.gallery import covered_first
from adit.report.run.inputs import Run
from adit.report.words import outcome

SCORES = pd.DataFrame(
    {
        "system_id": ["dyse", "salt", "far", "none"],
        "formula": ["DySe", "NaCl", "MgO", "SiC"],
        "e_above_hull": [-1.97, -0.02, 0.3, float("nan")],
        "hull_covers_chemistry": [False, True, True, False],
        "missing_pairs": ["Dy-Se", "", "", ""],
        "verdict": ["unknown hull", "stable", "unstable", "no energy"],
        "relax_status": "converged",
        "overall_validity": True,
    }
)


def judged(verdicts: list[str], status: str, reason: str = "") -> pd.DataFrame:
    return pd.DataFrame({"verdict": verdicts, "judge_status": status, "judge_reason": reason})


def test_an_unknown_hull_ranks_below_every_known_one() -> None:
    assert list(ordered("crystal", SCORES)["system_id"]) == ["salt", "far", "dyse", "none"]
    assert list(covered_first(SCORES)["system_id"])[:2] == ["salt", "far"]


def test_no_unknown_hull_is_shown_as_stable() -> None:
    flags = {"stable_adit": [True, True, False, False], "msun_lemat": [True, False, False, False]}
    shown = ordered("crystal", SCORES.assign(**flags)).set_index("system_id")
    assert shown.loc["dyse", ["stable_adit", "msun_lemat"]].isna().all()
    assert shown.loc["salt", "stable_adit"]
    assert not shown.loc["far", "stable_adit"]


def test_filters_for_stability_ask_for_a_known_hull() -> None:
    filters = dict(presets("crystal", fields("crystal", ordered("crystal", SCORES))))
    assert filters["below the hull"] == {"e_above_hull": "<0", "hull_covers_chemistry": "yes"}
    assert filters["valid"] == {"overall_validity": "yes"}


def test_the_sentence_says_what_both_say(tmp_path: Path) -> None:
    verdicts = ["stable by both"] * 3 + ["stable by one"] + ["unknown hull"] * 2
    text = outcome.judge_sentence(Run(tmp_path, {}, judge=judged(verdicts, "judged")))
    assert (
        text == " Of 6 crystals put on the hull, 3 are stable by both potentials and 1 by one; 2 have an unknown hull."
    )
    assert outcome.judge_sentence(Run(tmp_path, {})) == ""


def test_a_judge_that_was_missing_is_said(tmp_path: Path) -> None:
    run = Run(tmp_path, {}, judge=judged(["stable"], "not judged", "mace.model: no such file"))
    assert outcome.judge_sentence(run) == ""
    (notice,) = outcome._judge_notice(run)
    assert notice.tone == "warning"
    assert notice.text == "mace.model: no such file. Stability rests on one potential."
    (notice,) = outcome._judge_notice(Run(tmp_path, {}, judge=judged(["stable by both"], "judged")))
    assert "not an independent one" in notice.text
