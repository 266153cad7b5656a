"""``adit relax --only``: the named structures of the files."""

from __future__ import annotations

from pathlib import Path

import pytest

from adit import store
from adit.errors import ConfigError
from adit.readers import ReadSettings, read_structures
from adit.relax import standalone
from tests.unit.ledger.runs import salt


def test_only_the_named_structures_are_taken(tmp_path: Path) -> None:
    store.write_systems(tmp_path / "0.arrow", [salt("first"), salt("second", 35), salt("third", 53)])
    rows = read_structures([tmp_path / "0.arrow"], ReadSettings(workers=0))
    assert [each.row.system_id for each in standalone.chosen_rows(rows, ["third", "first"])] == ["first", "third"]
    assert len(standalone.chosen_rows(rows, [])) == 3
    with pytest.raises(ConfigError, match="--only: no structure 'absent' in the files; they have "):
        standalone.chosen_rows(rows, ["first", "absent"])
