"""Readers of users' files, the same for every verb."""

from adit.readers.formats.base import CONTRADICTION, CutSettings, ParseSettings
from adit.readers.kinds import as_kind, by_kind
from adit.readers.read import ReadRow, ReadSettings, need_structures, read_structures, settings_of
from adit.readers.sources import check_paths

__all__ = [
    "CONTRADICTION",
    "CutSettings",
    "ParseSettings",
    "ReadRow",
    "ReadSettings",
    "as_kind",
    "by_kind",
    "check_paths",
    "need_structures",
    "read_structures",
    "settings_of",
]
