"""The registry of potentials: what each is, whether it loads, what its energies need, and where it runs."""

from __future__ import annotations

import inspect
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from adit.config import POTENTIAL_NAMES, RelaxConfig, RelaxStage
from adit.errors import ConfigError, DataError, ExternalToolError
from adit.relax import standalone
from adit.relax.potentials import chgnet, kept
from adit.relax.potentials.batch import relax_all
from adit.relax.potentials.chosen import CHGNET, Chosen, packaged_weights
from adit.relax.potentials.corrections import hubbards, mp2020
from adit.relax.potentials.interpreter.loaders import LOADERS, chgnet_model
from adit.relax.potentials.outcome import Limits
from adit.relax.potentials.registry import POTENTIALS, potential
from adit.relax.potentials.remote import Remote
from adit.store import read_frame
from adit.systems import AtomicSystem, Kind

LIMITS = Limits(fmax=0.05, max_steps=100, min_distance=0.5, max_volume_per_atom=250.0)
EMT = Chosen("emt", python=sys.executable)


def fcc(name: str, numbers: list[int], a: float) -> AtomicSystem:
    cell = a / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0.0]])
    return AtomicSystem(
        name, Kind.CRYSTAL, np.array(numbers), np.array([[0.0] * 3, [0.5] * 3])[: len(numbers)] @ cell, cell
    )


COPPER = fcc("cu", [29], 3.5)


def test_the_configuration_names_what_the_registry_has() -> None:
    assert set(POTENTIAL_NAMES) == set(POTENTIALS)
    with pytest.raises(ConfigError, match="no potential 'force-field'; there are chgnet"):
        potential("force-field")


def test_surrogates_have_the_names_of_the_registry() -> None:
    from adit import columns

    corrected = {name: entry.label for name, entry in POTENTIALS.items() if entry.corrections != "none"}
    assert corrected == columns.POTENTIALS


def test_what_the_energies_are_called_parts_one_potential_from_another() -> None:
    assert CHGNET.energy_tag == chgnet.ENERGY_TAG
    tags = {name: entry.energy_tag("1") for name, entry in POTENTIALS.items()}
    assert len(set(tags.values())) == len(tags)
    assert tags["sevennet"] == "sevennet-1/PBE(+U)/MP2020"
    assert tags["emt"] == "emt-1/EMT/none"
    assert (
        kept.key(COPPER, LIMITS)
        == kept.key(COPPER, LIMITS, CHGNET.energy_tag)
        != kept.key(COPPER, LIMITS, EMT.energy_tag)
    )


def test_every_entry_says_whose_it_is() -> None:
    for entry in POTENTIALS.values():
        assert entry.code_licence
        assert entry.weights_licence
        assert entry.elements
    assert not potential("chgnet").needs_weights
    assert potential("mace").needs_weights


# --- corrections ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "a", "per_cell"),
    [
        ([12, 8], 4.25, -0.687),
        ([11, 17], 5.69, -0.614),
        ([26, 8], 4.33, -0.687 - 2.256),
        ([3, 9], 4.03, -0.462),
        ([14, 14], 5.4, 0.0),
    ],
    ids=["MgO", "NaCl", "FeO", "LiF", "Si"],
)
def test_the_corrections_are_those_that_wang_published(numbers: list[int], a: float, per_cell: float) -> None:
    system = fcc("x", numbers, a)
    assert mp2020(system) == pytest.approx(per_cell, abs=1e-9)
    assert Chosen("sevennet").correction(system) == mp2020(system)
    assert CHGNET.correction(system) == EMT.correction(system) == 0.0


def test_u_goes_to_transition_metals_with_oxygen_or_fluorine() -> None:
    assert hubbards({"Fe", "O", "Li"}) == {"Fe": 5.3}
    assert hubbards({"Fe", "S"}) == hubbards({"Mg", "O"}) == {}
    assert hubbards({"Fe", "F", "O"}) == {"Fe": 5.3}


# --- in another interpreter -------------------------------------------------------------------------------------------


def test_an_energy_from_another_interpreter_is_the_one_from_here() -> None:
    assert EMT.energy_per_atom(COPPER) == pytest.approx(Chosen("emt").energy_per_atom(COPPER), abs=1e-12)


def test_crystals_relax_with_a_potential_of_another_interpreter(tmp_path: Path) -> None:
    """Copper in EMT has a = 3.59 Å; silicon is unknown to it; a second time nothing is computed."""
    systems = [COPPER, fcc("si", [14, 14], 5.4)]
    good, bad = relax_all(systems, LIMITS, wall_limit_s=300.0, workers=1, cache=tmp_path, chosen=EMT)
    assert good.status == "converged", good.reason
    assert good.system is not None
    assert (4 * good.system.volume) ** (1 / 3) == pytest.approx(3.59, abs=0.01)
    assert (bad.status, "does not know Si" in bad.reason) == ("refused", True)
    assert len(list(tmp_path.glob("*.json"))) == 2
    assert kept.load_relaxed(tmp_path, COPPER, LIMITS, CHGNET.energy_tag) is None


def test_one_structure_without_an_energy_costs_no_other() -> None:
    remote = Remote(sys.executable, "emt", "", "cpu")
    from adit import convert

    good, silicon = convert.to_atoms(COPPER), convert.to_atoms(fcc("si", [14, 14], 5.4))
    first, refused, second = remote.evaluate([good, silicon, good])
    assert isinstance(refused, Exception)
    assert not isinstance(first, Exception)
    assert not isinstance(second, Exception)
    assert first["energy"] == second["energy"]
    assert first["stress"].shape == (6,)
    remote._process.kill()
    remote._process.wait()
    (again,) = remote.evaluate([good])
    assert not isinstance(again, Exception)
    assert again["energy"] == first["energy"]
    remote.close()


@pytest.mark.parametrize(
    ("chosen", "error", "message"),
    [
        (Chosen("emt", python="/nowhere/python"), ExternalToolError, "does not start"),
        (Chosen("mace"), ConfigError, "needs a file of weights: set relax.weights"),
        (Chosen("mace", weights="nowhere.model"), ConfigError, "nowhere.model: no such file of weights for MACE"),
        (Chosen("mace", weights=__file__), ExternalToolError, "mace-torch is not installed; .*relax.python"),
        (Chosen("mace", weights=__file__, python=sys.executable), ExternalToolError, "does not load .*mace"),
    ],
    ids=["no interpreter", "no weights named", "no such weights", "not installed", "not installed there"],
)
def test_what_is_missing_is_one_line(chosen: Chosen, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        chosen.evaluator()


def test_weights_of_ones_own_are_told_apart_by_their_hash(tmp_path: Path) -> None:
    first, second = tmp_path / "my model.pt", tmp_path / "b" / "my model.pt"
    second.parent.mkdir()
    first.write_bytes(b"1")
    second.write_bytes(b"2")
    tags = [Chosen("mace", weights=str(path)).energy_tag for path in (first, second)]
    assert tags[0] != tags[1]
    assert tags[0].startswith("mace-my_model_")


@pytest.fixture(scope="module")
def changed_chgnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return CHGNet's weights, with every energy of an element 0.25 eV/atom higher."""
    import torch

    path = tmp_path_factory.mktemp("weights") / "my chgnet.pth.tar"
    state = torch.load(packaged_weights(potential("chgnet")), map_location="cpu", weights_only=True)
    state["model"]["state_dict"]["composition_model.fc.weight"] += 0.25
    torch.save({"model": state["model"]}, path)
    return path


@pytest.mark.parametrize("python", [None, sys.executable], ids=["here", "another interpreter"])
def test_weights_of_chgnet_that_are_named_are_the_ones_that_compute(changed_chgnet: Path, python: str | None) -> None:
    chosen = Chosen("chgnet", str(changed_chgnet), python)
    assert chosen.energy_tag.startswith("chgnet-my_chgnet.pth_")
    assert chosen.energy_per_atom(COPPER) == pytest.approx(CHGNET.energy_per_atom(COPPER) + 0.25, abs=1e-4)
    result = chosen.relax((COPPER, LIMITS))
    assert result.system is not None
    assert result.energy == pytest.approx(chosen.energy_per_atom(result.system), abs=1e-4)


def test_old_weights_of_chgnet_load_too() -> None:
    """Those of 0.2 in its package, whose files do not name all arguments of the network."""
    (path,) = packaged_weights(potential("chgnet")).parents[1].glob("0.2.0/*.pth.tar")
    from chgnet.model.model import CHGNet

    theirs = CHGNet.load(model_name="0.2.0", use_device="cpu", verbose=False).state_dict()
    ours = chgnet_model(str(path)).state_dict()
    assert all(bool((ours[name] == values).all()) for name, values in theirs.items())
    assert set(ours) == set(theirs)


class _Touch:
    """A pickle that makes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("python", [None, sys.executable], ids=["here", "another interpreter"])
def test_a_file_that_holds_no_weights_of_chgnet_is_one_line(tmp_path: Path, python: str | None) -> None:
    import torch

    torch.save({"model": _Touch(tmp_path / "touched")}, tmp_path / "code.pth.tar")
    torch.save({"weights": {}}, tmp_path / "other.pth.tar")
    (tmp_path / "text.pth.tar").write_text("no weights")
    for name, message in {
        "code": "not a file of tensors",
        "other": "holds no weights of CHGNet",
        "text": "not a file of",
    }.items():
        with pytest.raises(ExternalToolError, match=f"does not load .*{message}.*torch.save"):
            Chosen("chgnet", str(tmp_path / f"{name}.pth.tar"), python).evaluator()
    assert not (tmp_path / "touched").exists()


def test_every_loader_takes_the_weights_that_name_its_energies() -> None:
    """A loader that leaves them out would compute with others than the energy tag says."""
    for name, loader in LOADERS.items():
        used = sum(line.count("weights") for line in inspect.getsource(loader).split('"""')[-1].splitlines())
        assert (used > 0) == POTENTIALS[name].has_weights, name


def test_weights_for_a_potential_without_any_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"EMT .* has no weights; leave out relax\.weights"):
        Chosen("emt", weights=__file__).identity()


def test_a_choice_travels_to_workers() -> None:
    assert pickle.loads(pickle.dumps(EMT)) == EMT


def test_files_are_relaxed_with_any_potential(tmp_path: Path) -> None:
    from adit import convert

    (tmp_path / "cu.cif").write_text(convert.to_cif(COPPER))
    stage = RelaxStage(relax=RelaxConfig(engine="emt", python=sys.executable))
    standalone.relax_with_potential(stage, [tmp_path / "cu.cif"], tmp_path / "out", 1)
    table = read_frame(tmp_path / "out/relaxed.parquet")
    assert list(table["status"]) == ["converged"]
    assert list(table["energy_tag"]) == ["emt-ase/EMT/none"]


# --- SevenNet ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "a", "of_elements", "published"),
    [
        ([12, 8], 4.25, (-1.60028, -4.94669), -3.0534),
        ([11, 17], 5.69, (-1.32253, -1.84854), -2.1096),
    ],
    ids=["MgO", "NaCl"],
)
def test_sevennet_and_mp2020_give_the_projects_formation_energy(
    numbers: list[int], a: float, of_elements: tuple[float, float], published: float
) -> None:
    """Against the Materials Project's elements; without the corrections they would be 0.3 eV/atom off."""
    energy = Chosen("sevennet").energy_per_atom(fcc("x", numbers, a))
    assert energy - sum(of_elements) / 2 == pytest.approx(published, abs=0.03)


def test_sevennet_and_mp2020_give_the_formation_energy_of_an_iron_oxide() -> None:
    """Fe8O9 (mp-763787), the nearest to FeO: its iron has a Hubbard U there, and MP2020's correction of 2.256 eV."""
    cell = np.array([[5.311, 0, 0], [0.8601, 5.2829, 0], [1.8055, 0.6509, 6.5537]])
    oxygen = [[0.0766, 0.1199, 0.2842], [0.1655, 0.3533, 0.8444], [0.2722, 0.5486, 0.3882], [0.4142, 0.7442, 0.9433]]
    iron = [[0.109, 0.2105, 0.5758], [0.2095, 0.4493, 0.118], [0.3237, 0.6821, 0.6704], [0.4501, 0.8917, 0.214]]
    half = np.array(oxygen + iron)
    positions = np.concatenate([half, 1 - half, [[0.5, 0, 0.5]]]) @ cell
    wuestite = AtomicSystem("Fe8O9", Kind.CRYSTAL, np.array(([8] * 4 + [26] * 4) * 2 + [8]), positions, cell)
    energy = Chosen("sevennet").energy_per_atom(wuestite)
    assert energy - (8 * -8.47002 + 9 * -4.94669) / 17 == pytest.approx(-1.4866, abs=0.03)


def test_sevennet_knows_the_elements_that_its_entry_says() -> None:
    evaluator = Chosen("sevennet").evaluator()
    assert set(evaluator._calculator.type_map) == set(POTENTIALS["sevennet"].elements)  # type: ignore[attr-defined]
    with pytest.raises(DataError, match="SevenNet does not know Po"):
        Chosen("sevennet").energy_per_atom(fcc("po", [84], 4.7))


def test_energies_of_a_batch_by_sevennet_are_those_of_its_calculator() -> None:
    """Also where one structure has no energy at all, or no bonds: it does not spoil the others."""
    from adit import convert

    bonded = (fcc("mgo", [12, 8], 4.25), COPPER, fcc("nacl", [11, 17], 5.0))
    systems = [bonded[0], fcc("po", [84], 4.7), bonded[1], fcc("far", [29], 30.0), bonded[2]]
    structures = [convert.to_atoms(system) for system in systems]
    evaluator = Chosen("sevennet").evaluator()
    batch, alone = evaluator.energies(structures), evaluator.evaluate(structures)
    assert [type(each) for each in batch if isinstance(each, Exception)] == [
        type(each) for each in alone if isinstance(each, Exception)
    ]
    assert isinstance(batch[1], Exception)
    for number in (0, 2, 4):
        assert batch[number] == pytest.approx(alone[number]["energy"], abs=1e-5)  # type: ignore[index]
