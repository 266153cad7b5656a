"""Every dataset in its published form, written here to the byte and served over HTTP with faults."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import pickle
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgpack
import numpy as np
import pandas as pd
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem

from adit import convert
from adit.data.datasets import druglike, geom_drugs, mp20, qm9, qmof
from adit.data.datasets.records import Loaded, Record
from adit.data.sources import archives
from adit.data.sources.checksums import Upstream
from adit.data.sources.mirrors import PUBLISHED
from adit.data.sources.registry import Layout
from adit.errors import DataError
from adit.systems import AtomicSystem, Kind
from tests.conftest import random_crystal
from tests.http_server import Site, serving


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("ADIT_CACHE", str(tmp_path / "cache"))
    with serving(Site()) as opened:
        yield opened


def publish(site: Site, layout: Layout, contents: list[bytes]) -> Layout:
    """Serve files, the first broken off once, and return the layout that points to them."""
    written = []
    for file, content in zip(layout, contents, strict=True):
        name = file.name.replace("/", "-")
        site.files[name], site.etags[name] = content, f'"{name}"'
        upstream = Upstream(f"{site.url}/{name}", len(content), "md5", hashlib.md5(content).hexdigest())
        written.append(replace(file, upstream=upstream))
    site.drop_after[written[0].name.replace("/", "-")] = [len(contents[0]) // 2]
    return tuple(written)


def check_whole(loaded: Loaded) -> list[AtomicSystem]:
    assert loaded.origin == "upstream"
    assert set(loaded.verified.values()) == {PUBLISHED}
    return [record.make() for record in loaded.records]


def tar(members: dict[str, bytes], mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


# --- QM9 --------------------------------------------------------------------------------------------------------------

METHANE = """5
gdb 1\t157.7118\t157.70997\t157.70699\t0.\t13.21\t-0.3877\t0.1171\t0.5048\t35.3641\t0.044749\t\
-40.47893\t-40.476062\t-40.475117\t-40.498597\t6.469\t
C\t-0.0126981359\t 1.0858041578\t 0.0080009958\t-0.535689
H\t 0.002150416\t-0.0060313176\t 0.0019761204\t 0.133921
H\t 1.0117308433\t 1.4637511618\t 0.0002765748\t 0.133922
H\t-0.540815069\t 1.4475266138\t-0.8766437152\t 0.133923
H\t-0.5238136345\t 1.4379326443\t 6.2997*^-6\t 0.133923
1341.307\t1341.3284\t1341.365
C\tC\t
InChI=1S/CH4/h1H4\tInChI=1S/CH4/h1H4
"""


def test_qm9_archive(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    members = {f"dsgdb9nsd_{i:06d}.xyz": METHANE.replace("gdb 1", f"gdb {i}").encode() for i in range(1, 21)}
    header = (
        "# Not characterized\n\n Index   Smiles GDB-17\n=====\n"
        + "    3  C  C  1.0\n   17  C  C  1.0\n====\n2 compounds\n"
    )
    layout = publish(site, qm9.QM9, [bz2.compress(tar(members, "w")), header.encode()])
    monkeypatch.setattr(qm9, "QM9", layout)
    loaded = qm9.DATASET.load(None)
    systems = check_whole(loaded)
    assert len(systems) == 18
    assert [d.system_id for d in loaded.dropped] == ["gdb_3", "gdb_17"]
    assert systems[0].positions[4, 2] == 6.2997e-6
    assert systems[0].positions[0].tolist() == [-0.0126981359, 1.0858041578, 0.0080009958]
    assert systems[0].numbers.tolist() == [6, 1, 1, 1, 1]
    assert systems[0].info["gap"] == 0.5048
    assert systems[0].info["Cv"] == 6.469
    assert {r.split for r in loaded.records} == {"train", "val", "test"}


# --- MP20 -------------------------------------------------------------------------------------------------------------


def cdvae_csv(systems: list[AtomicSystem]) -> bytes:
    rows = [
        {
            "material_id": s.system_id,
            "formation_energy_per_atom": -1.25,
            "band_gap": 0.5,
            "pretty_formula": "X",
            "e_above_hull": 0.01,
            "elements": "['X']",
            "cif": convert.to_cif(s),
            "spacegroup.number": 1,
        }
        for s in systems
    ]
    return pd.DataFrame(rows).to_csv().encode()


def test_mp20_tables(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    parts = [[random_crystal(random, 4, f"mp-{split}{i}") for i in range(5)] for split in range(3)]
    layout = publish(site, mp20.MP20, [cdvae_csv(part) for part in parts])
    monkeypatch.setattr(mp20, "LAYOUTS", (layout,))
    loaded = mp20.DATASET.load(None)
    for system, original in zip(check_whole(loaded), [s for part in parts for s in part], strict=True):
        assert system.system_id == original.system_id
        assert sorted(system.numbers) == sorted(original.numbers)
        assert system.volume == pytest.approx(original.volume, rel=1e-4)
        assert system.info["band_gap"] == 0.5
    assert [r.split for r in loaded.records] == ["train"] * 5 + ["val"] * 5 + ["test"] * 5


# --- QMOF -------------------------------------------------------------------------------------------------------------


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize("nested", [False, True])
def test_qmof_archive(site: Site, monkeypatch: pytest.MonkeyPatch, nested: bool) -> None:
    random = np.random.default_rng(0)
    cifs = {f"qmof-{i:07d}": convert.to_cif(random_crystal(random, 6, "x")).encode() for i in range(4)}
    cifs["qmof-0000009"] = convert.to_cif(
        AtomicSystem("big", Kind.CRYSTAL, [6] * 151, random.random((151, 3)) * 30, np.eye(3) * 30)
    ).encode()
    folder = {f"relaxed_structures/{name}.cif": text for name, text in cifs.items()}
    rows = [{"qmof_id": name, "outputs": {"pbe": {"bandgap": 1.5}}} for name in cifs]
    members = {"qmof_database/qmof.json": json.dumps(rows).encode()}
    if nested:
        members["qmof_database/relaxed_structures.zip"] = zipped(folder)
    else:
        members |= {f"qmof_database/{name}": text for name, text in folder.items()}
    monkeypatch.setattr(qmof, "QMOF", publish(site, qmof.QMOF, [zipped(members)]))
    loaded = qmof.DATASET.load(None)
    assert [r.system_id for r in loaded.records] == sorted(cifs)
    first = loaded.records[0].make()
    assert (first.kind, len(first), first.info["band_gap"]) == (Kind.MOF, 6, 1.5)
    with pytest.raises(DataError, match="too many atoms: 151"):
        loaded.records[-1].make()


# --- GEOM-DRUGS -------------------------------------------------------------------------------------------------------


def molecule(smiles: str, seed: int = 0) -> Chem.Mol:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert AllChem.EmbedMolecule(mol, randomSeed=seed) == 0
    return mol


def test_geom_drugs_pickles(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    members = {"rdkit_folder/summary_drugs.json": b"{}"}
    for i, smiles in enumerate(["CCO", "c1ccccc1"]):
        high, low = molecule(smiles, 1), molecule(smiles, 2)
        conformers = [{"rd_mol": high, "totalenergy": -1.0}, {"rd_mol": low, "totalenergy": -2.0}]
        members[f"rdkit_folder/drugs/{i}.pickle"] = pickle.dumps({"smiles": smiles, "conformers": conformers})
    members["rdkit_folder/qm9/0.pickle"] = b"not read"
    monkeypatch.setattr(geom_drugs, "GEOM_DRUGS", publish(site, geom_drugs.GEOM_DRUGS, [tar(members)]))
    systems = check_whole(geom_drugs.DATASET.load(None))
    assert [s.system_id for s in systems] == ["CCO", "c1ccccc1"]
    lowest = molecule("CCO", 2).GetConformer().GetPositions()
    assert np.allclose(systems[0].positions, lowest, atol=1e-5)
    assert systems[0].numbers.tolist() == [6, 6, 8] + [1] * 6


def test_geom_drugs_pickle_with_code_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            import os

            return os.system, ("touch /tmp/should-not-exist",)

    data = tar({"rdkit_folder/drugs/0.pickle": pickle.dumps({"smiles": "C", "conformers": [Evil()]})})
    monkeypatch.setattr(geom_drugs, "GEOM_DRUGS", publish(site, geom_drugs.GEOM_DRUGS, [data]))
    with pytest.raises(DataError, match=r"0\.pickle: is not a pickle that may be read \(it needs posix\.system\)"):
        geom_drugs.DATASET.load(None)


def test_geom_drugs_msgpack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADIT_CACHE", str(tmp_path / "cache"))
    water = [[8.0, 0.0, 0.0, 0.1], [1.0, 0.0, 0.8, -0.5], [1.0, 0.0, -0.8, -0.5]]
    other = [[z, x + 1.0, y, w] for z, x, y, w in water]
    batch = {"O": {"conformers": [{"xyz": other, "totalenergy": -1.0}, {"xyz": water, "totalenergy": -5.0}]}}
    batch["[OH-]"] = {"conformers": [{"xyz": water[:2], "totalenergy": -1.0}]}
    path = tmp_path / "mirror/geom/drugs_crude.msgpack.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(msgpack.packb(batch)))
    record, ion = geom_drugs.DATASET.load(str(tmp_path / "mirror")).records
    assert np.allclose(record.make().positions, np.array(water)[:, 1:], atol=1e-6)
    assert "total_charge" not in record.make().info
    assert ion.make().info["total_charge"] == -1


WITHOUT = {
    "C": ({}, "its record has no 'conformers'"),
    "N": ({"conformers": []}, "has no conformer"),
    "S": ({"conformers": [{"totalenergy": -1.0}]}, "its record has no '"),
    "P": ({"conformers": None}, "has no conformer"),
    "F": ([1], "its record does not parse (TypeError"),
    "Cl": ({"conformers": [{"totalenergy": "low"}]}, "its record does not parse (ValueError"),
}


def test_geom_drugs_molecules_without_conformers_are_failures(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of both layouts, and when the table of the lowest conformers is read again."""
    good = {"smiles": "CCO", "conformers": [{"rd_mol": molecule("CCO", 1), "totalenergy": -1.0}]}
    entries = [entry | {"smiles": name} if isinstance(entry, dict) else entry for name, (entry, _) in WITHOUT.items()]
    members = {f"rdkit_folder/drugs/{i}.pickle": pickle.dumps(entry) for i, entry in enumerate([*entries, good])}
    monkeypatch.setattr(geom_drugs, "GEOM_DRUGS", publish(site, geom_drugs.GEOM_DRUGS, [tar(members)]))
    check_failures(geom_drugs.DATASET.load(None), [name if name != "F" else "4" for name in WITHOUT])
    water = [[8.0, 0.0, 0.0, 0.1], [1.0, 0.0, 0.8, -0.5], [1.0, 0.0, -0.8, -0.5]]
    odd = {"[O-]": {"conformers": [{"xyz": [row[:3] for row in water]}]}, "O": {"conformers": [{"xyz": water}]}}
    path = tmp_path / "mirror/geom/drugs_crude.msgpack.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(msgpack.packb({name: entry for name, (entry, _) in WITHOUT.items()} | odd)))
    for _ in range(2):
        records = check_failures(geom_drugs.DATASET.load(str(tmp_path / "mirror")), list(WITHOUT))
        with pytest.raises(DataError, match="its rows are no atomic numbers with coordinates"):
            records[len(WITHOUT)].make()


def check_failures(loaded: Loaded, names: list[str]) -> Sequence[Record]:
    """Check that the first records are failures with the reasons of ``WITHOUT``, and that the last one is a system."""
    records = loaded.records
    for record, name, (_, reason) in zip(records, names, WITHOUT.values(), strict=False):
        assert record.system_id == name
        with pytest.raises(DataError) as error:
            record.make()
        assert str(error.value).startswith(f"{name}: {reason}")
    assert len(records[-1].make()) in (3, 9)
    return records


# --- drug-like --------------------------------------------------------------------------------------------------------


def test_druglike_conformers_of_a_molecule_share_a_split(tmp_path: Path) -> None:
    blocks = [
        Chem.MolToMolBlock(molecule(s, seed)) for s in ("CCO", "CCN", "CC(=O)O", "c1ccccc1") for seed in (1, 2, 3)
    ]
    blocks.append(Chem.MolToMolBlock(molecule("C[NH3+]")))
    path = tmp_path / "druglike/druglike.sdf.gz"
    path.parent.mkdir()
    path.write_bytes(gzip.compress("".join(f"{b}>  <energy>\n-1.5\n\n$$$$\n" for b in blocks).encode()))
    loaded = druglike.DATASET.load(str(tmp_path))
    systems = [record.make() for record in loaded.records]
    splits: dict[str, set[str]] = {}
    for record, system in zip(loaded.records, systems, strict=True):
        splits.setdefault(system.info["smiles"], set()).add(record.split)
    assert len(splits) == 5
    assert all(len(labels) == 1 for labels in splits.values())
    assert [len(s) for s in systems[:3]] == [9, 9, 9]
    assert [s.info.get("total_charge") for s in systems] == [None] * 12 + [1]


# --- archives that could do harm --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../evil.xyz", "/etc/passwd", "a/../../evil", "C:\\evil", "..\\evil"])
def test_paths_that_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.tar.gz").write_bytes(tar({name: b"x"}))
    (tmp_path / "a.zip").write_bytes(zipped({name: b"x"}))
    with pytest.raises(DataError, match="leaves its folder"):
        list(archives.tar_members(tmp_path / "a.tar.gz"))
    with pytest.raises(DataError, match="leaves its folder"):
        list(archives.zip_members(tmp_path / "a.zip", ("",)))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        member = tarfile.TarInfo("x")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(DataError, match="link or device"):
        list(archives.tar_members(tmp_path / "a.tar"))


def test_members_that_unpack_to_too_much_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "LARGEST", 1000)
    (tmp_path / "a.zip").write_bytes(zipped({"x": b"0" * 2000}))
    with pytest.raises(DataError, match="unpacks to 2000 bytes"):
        list(archives.zip_members(tmp_path / "a.zip", ("",)))


def test_broken_raw_files_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "qm9").mkdir()
    (tmp_path / qm9.QM9_PARQUET[0].name).write_bytes(b"PAR1 and then nothing")
    with pytest.raises(DataError, match=r"qm9_hcno\.parquet: truncated or broken") as error:
        qm9.DATASET.load(str(tmp_path))
    assert "\n" not in str(error.value)
    (tmp_path / "mp20").mkdir()
    for split in ("train", "val", "test"):
        (tmp_path / f"mp20/{split}.csv.gz").write_bytes(gzip.compress(b"material_id,structure\na,b\n"))
    with pytest.raises(DataError, match=r"train\.csv\.gz: lacks the column cif"):
        mp20.DATASET.load(str(tmp_path))
    (tmp_path / "mp20/train.csv.gz").write_bytes(gzip.compress(b"material_id,cif\na,b\n" * 99)[:30])
    with pytest.raises(DataError, match=r"train\.csv\.gz: truncated or broken"):
        mp20.DATASET.load(str(tmp_path))
