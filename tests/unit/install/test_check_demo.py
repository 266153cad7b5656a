"""The assertions that CI and the clean room make about a run of the demo."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.install.check_demo import faults


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run as it should be: four crystals and two molecules sent to GPAW, three and one converged, one page."""
    for number, status in enumerate(["converged", "converged", "failed: wall limit", "converged"]):
        write(tmp_path, number, {"code": "gpaw 26.7.0", "status": status})
    for number, status in enumerate(["unconverged", "converged"]):
        write(tmp_path, number, {"code": "gpaw 26.7.0", "status": status}, "molecule")
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "index.html").write_text("<html></html>")
    return tmp_path


def write(run: Path, number: int, result: dict[str, str], kind: str = "crystal") -> None:
    folder = run / "dft" / f"{kind}-{number}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps(result))


def test_a_run_as_it_should_be_passes(run: Path) -> None:
    assert faults(run) == []


def test_a_fallback_is_a_fault_though_it_converges(run: Path) -> None:
    write(run, 2, {"code": "gfn1-xtb 0.8.0", "status": "converged"})
    assert [fault.split(": ")[1] for fault in faults(run)] == ["the engine was gfn1-xtb 0.8.0 instead of GPAW"]


def test_two_of_four_are_too_few(run: Path) -> None:
    write(run, 0, {"code": "gpaw 26.7.0", "status": "failed: SCF"})
    assert [fault.split(": ")[1] for fault in faults(run)] == ["2 of 4 crystals converged; at least 3 must"]


def test_no_molecule_is_too_few(run: Path) -> None:
    write(run, 1, {"code": "gpaw 26.7.0", "status": "unconverged"}, "molecule")
    assert [fault.split(": ")[1] for fault in faults(run)] == ["0 of 2 molecules converged; at least 1 must"]


def test_a_page_cut_short_is_a_fault(run: Path) -> None:
    (run / "report" / "index.html").write_text("<html>")
    assert len(faults(run)) == 1


def test_nothing_sent_is_a_fault(tmp_path: Path) -> None:
    assert len(faults(tmp_path)) == 4
