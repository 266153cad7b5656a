"""Every public file that the pipeline can use: address, checksum, licence."""

from __future__ import annotations

from dataclasses import dataclass

from adit.data.sources.checksums import Upstream

SPLITS = ("train", "val", "test")
"""Names of the splits of a dataset."""


@dataclass(frozen=True)
class Dataverse:
    """A file of a Dataverse repository, which provides address, size and checksum.

    Attributes:
        server: address of the repository.
        doi: DOI of the dataset.
        filename: name of the file in the dataset.
        licence: licence of the file.
    """

    server: str
    doi: str
    filename: str
    licence: str = ""

    @property
    def url(self) -> str:
        """Return the address of the dataset's list of files."""
        return f"{self.server}/api/datasets/:persistentId/?persistentId={self.doi}"


@dataclass(frozen=True)
class RawFile:
    """One file of a dataset.

    Attributes:
        name: path in a mirror and in the cache, e.g. ``mp20/train.csv``.
        upstream: published file; ``None`` for a form that only mirrors have.
        compressed_of: for a ``.gz`` form: the published file that it must unpack to; else ``None``.
    """

    name: str
    upstream: Upstream | Dataverse | None = None
    compressed_of: Upstream | None = None


Layout = tuple[RawFile, ...]
"""Files of a dataset in one of its forms."""

CDVAE_COMMIT = "f857f598d6f6cca5dc1ea0582d228f12dcc2c2ea"
"""Commit of CDVAE's repository whose files are used."""
_MP20 = {
    split: Upstream(
        f"https://raw.githubusercontent.com/txie-93/cdvae/{CDVAE_COMMIT}/data/mp_20/{split}.csv",
        None,
        "git",
        blob,
        "CC-BY-4.0",
    )
    for split, blob in {
        "train": "b1c9d498565ac2fd8d075a51ff2ef5e51ba6c21f",
        "val": "7efe4d7ebeb4f460ceaad35e5326c42111d9c9a1",
        "test": "5dc643041df53f5ce4970a79930ad262b4f07acd",
    }.items()
}

MP20_COMPRESSED: Layout = tuple(RawFile(f"mp20/{split}.csv.gz", None, _MP20[split]) for split in SPLITS)
MP20: Layout = tuple(RawFile(f"mp20/{split}.csv", _MP20[split]) for split in SPLITS)

QM9_PARQUET: Layout = (RawFile("qm9/qm9_hcno.parquet"),)
QM9: Layout = (
    RawFile(
        "qm9/dsgdb9nsd.xyz.tar.bz2",
        Upstream(
            "https://ndownloader.figshare.com/files/3195389",
            86_144_227,
            "md5",
            "ad1ebd51ee7f5b3a6e32e974e5d54012",
            "CC0",
        ),
    ),
    RawFile(
        "qm9/uncharacterized.txt",
        Upstream(
            "https://ndownloader.figshare.com/files/3195404", 486_752, "md5", "a361887bacb427b8a0ce7903d92a53b4", "CC0"
        ),
    ),
)

QMOF_PARQUET: Layout = (RawFile("qmof/qmof_le150.parquet"),)
QMOF: Layout = (
    RawFile(
        "qmof/qmof_database.zip",
        Upstream("https://figshare.com/ndownloader/articles/13147324", None, "sha256", "", "CC-BY-4.0"),
    ),
)
"""Figshare packs this archive on request, without a published checksum; that of the first download is stored."""

GEOM_DRUGS: Layout = (
    RawFile(
        "geom/rdkit_folder.tar.gz",
        Dataverse("https://dataverse.harvard.edu", "doi:10.7910/DVN/JNGTDF", "rdkit_folder.tar.gz", "CC0"),
    ),
)
GEOM_DRUGS_MSGPACK: Layout = (RawFile("geom/drugs_crude.msgpack.gz"),)

DRUGLIKE: Layout = (RawFile("druglike/druglike.sdf.gz"),)


def _figshare(number: int, md5: str) -> Upstream:
    return Upstream(f"https://figshare.com/ndownloader/files/{number}", None, "md5", md5, "CC-BY-4.0")


MP_PHASE_DIAGRAM: Layout = (
    RawFile("hull/2023-02-07-ppd-mp.pkl.gz", _figshare(48241624, "60d19d691fa1d338aa496a40a9641bef")),
)
MP_COMPUTED_ENTRIES: Layout = (
    RawFile("hull/mp-computed-structure-entries.json.gz", _figshare(40344436, "76fc748db6b175bb80de4c276d27c235")),
)
MP_ELEMENTAL_REFERENCES: Layout = (
    RawFile("hull/mp-elemental-reference-entries.json.gz", _figshare(40387775, "6e93b6f38d6e27d6c811d3cafb23a070")),
)
MP_ENERGIES: Layout = (RawFile("hull/mp-energies.csv.gz", _figshare(52080797, "7eb0c49fc169ba92783f2f6d0d19d741")),)

SOURCES: dict[str, tuple[Layout, ...]] = {
    "mp20": (MP20_COMPRESSED, MP20),
    "qm9": (QM9_PARQUET, QM9),
    "qmof": (QMOF_PARQUET, QMOF),
    "geom-drugs": (GEOM_DRUGS_MSGPACK, GEOM_DRUGS),
    "druglike": (DRUGLIKE,),
    "mp-phase-diagram": (MP_PHASE_DIAGRAM,),
    "mp-computed-entries": (MP_COMPUTED_ENTRIES,),
    "mp-elemental-references": (MP_ELEMENTAL_REFERENCES,),
    "mp-energies": (MP_ENERGIES,),
}
"""Sources of ``adit fetch``: name → forms of its files, the published one last."""
