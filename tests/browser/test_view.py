"""The 3D view of notebooks draws every structure, in a frame and without a network."""

from __future__ import annotations

from pathlib import Path

from ase.build import bulk, molecule
from playwright.sync_api import expect

from adit import api
from tests.browser.driver import Visit, colours


def test_each_structure_is_drawn(visit: Visit, tmp_path: Path) -> None:
    structures = api.read([bulk("NaCl", "rocksalt", a=5.64), molecule("CH3CH2OH"), bulk("Si")])
    (tmp_path / "index.html").write_text(f"<!doctype html><title>notebook</title>{structures.view()._repr_html_()}")
    frame = visit.open(tmp_path).frame_locator("iframe")
    expect(frame.locator("figcaption")).to_have_text(["NaCl · 0", "C2H6O · 1", "Si · 2"])
    canvases = frame.locator("canvas")
    expect(canvases).to_have_count(3)
    for number in range(3):
        assert colours(canvases.nth(number)) > 3, "not an empty picture"
    assert visit.complaints == []
