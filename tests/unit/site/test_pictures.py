"""Pictures of the documentation are small."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from workflow.site.pictures import MOST_BYTES, small

ROOT = Path(__file__).parents[3]
PICTURES = sorted((ROOT / "docs").rglob("*.png"))


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_a_picture_is_small(path: Path) -> None:
    assert path.stat().st_size <= MOST_BYTES


def test_a_large_picture_is_made_small() -> None:
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 255, (400, 600, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    result = small(buffer.getvalue(), 50_000)
    assert len(result) <= 50_000 < len(buffer.getvalue())
    assert Image.open(io.BytesIO(result)).width < 600
