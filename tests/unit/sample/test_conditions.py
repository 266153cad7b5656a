"""What can be asked of samples: compositions, motifs and labels, alone and together, and what cannot be."""

from __future__ import annotations

import os
from collections import Counter
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adit.cli import main
from adit.cli.score import _made_with
from adit.config import LabelConfig, SampleConfig, SampleStage
from adit.elements import composition, hill
from adit.errors import ConfigError, DataError
from adit.sample.assignment import assign, exact_types, system_types
from adit.sample.composition import Composition, parse_composition
from adit.sample.engine import Sampler
from adit.sample.generate import write_samples
from adit.sample.motif import read_motif, superpose
from adit.sample.request import Request, make_request
from adit.store import read_json, read_systems, write_extxyz, write_json
from adit.systems import AtomicSystem, Kind
from tests.weights import BAND_GAP, COMPOSITION, SPACEGROUP, write_weights

CUBE = np.eye(3) * 4.0
SALT = AtomicSystem("salt", Kind.CRYSTAL, np.array([11, 17]), np.array([[0.0, 0, 0], [2.0, 2, 2]]), CUBE)
FOUR_SODIUM = AtomicSystem(
    "na4", Kind.CRYSTAL, np.full(4, 11), np.array([[0.0, 0, 0], [2.0, 2, 0], [2.0, 0, 2], [0.0, 2, 2]]), CUBE
)
WATER = AtomicSystem(
    "oh2", Kind.MOLECULE, np.array([1, 1, 8]), np.array([[0.0, 0.76, 0.6], [0, -0.76, 0.6], [0, 0, 0]])
)


def fits(composition: Composition, numbers: np.ndarray) -> bool:
    """Return whether a system of these atomic numbers (n,) has a composition."""
    counts = Counter(int(z) for z in numbers)
    if composition.unit is None:
        return tuple(sorted(counts)) == composition.elements
    return counts == composition.counts(len(numbers))


@pytest.fixture(scope="module", params=["conditioned", "masked"])
def weights(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return weights that know compositions and spacegroups, and weights that know the kind alone."""
    labels = [SPACEGROUP, COMPOSITION, BAND_GAP] if request.param == "conditioned" else []
    return write_weights(tmp_path_factory.mktemp(request.param), labels)


def requested(
    weights: Path, kind: Kind = Kind.CRYSTAL, formulas: str = "model", **conditions: Any
) -> tuple[Sampler, Request, SampleStage]:
    values = {"steps": 3, "guidance": 1.5, "formulas": formulas, "conditions": {str(kind): conditions}}
    sample = SampleConfig.model_validate(values)
    stage, sampler = SampleStage(seed=1, sample=sample), Sampler(weights / "vae", weights / "dit")
    return sampler, sampler.request(stage, kind), stage


def sampled(
    weights: Path, out: Path, count: int, kind: Kind = Kind.CRYSTAL, formulas: str = "model", **conditions: Any
) -> list[AtomicSystem]:
    sampler, _, stage = requested(weights, kind, formulas, **conditions)
    write_samples(sampler, stage, kind, range(count), out / "x.arrow")
    systems = read_systems(out / "x.arrow").systems()
    assert len(systems) == count
    return systems


def motif(folder: Path, system: AtomicSystem) -> str:
    write_extxyz(folder / f"{system.system_id}.extxyz", [system])
    return str(folder / f"{system.system_id}.extxyz")


def test_an_assignment_is_the_best_of_all() -> None:
    random = np.random.default_rng(0)
    for n in (1, 2, 4, 6):
        scores = random.normal(size=(n, n))
        assignment = assign(scores)
        best = max(sum(scores[i, j] for i, j in enumerate(order)) for order in permutations(range(n)))
        assert sorted(assignment) == list(range(n))
        assert scores[np.arange(n), assignment].sum() == pytest.approx(best)


def test_masked_types_have_the_composition_and_are_likely() -> None:
    logits = np.random.default_rng(1).normal(size=(7, 20))
    assert sorted(exact_types(logits, {3: 2, 8: 5})) == [3, 3, 8, 8, 8, 8, 8]
    assert set(system_types(logits, [3, 8, 11])) == {3, 8, 11}
    logits[:, 7] += 50.0
    assert sorted(system_types(logits, [3, 8, 11])) == [3, 8, 8, 8, 8, 8, 11]


@pytest.mark.parametrize("text", ["NaCl", "Ca(OH)2", "Li-Fe-O"])
def test_a_composition_is_always_met(weights: Path, tmp_path: Path, text: str) -> None:
    wanted = parse_composition(text)
    assert all(fits(wanted, system.numbers) for system in sampled(weights, tmp_path, 12, composition=text))


def test_formulas_are_drawn_from_the_training_data(weights: Path, tmp_path: Path) -> None:
    counts = Counter(hill(composition(s.numbers)) for s in sampled(weights, tmp_path, 40, Kind.MOLECULE, "training"))
    assert set(counts) == {"H2O", "CO2", "CH4"}
    assert counts["H2O"] > counts["CO2"], "as often as in the training data"


def test_formulas_leave_sizes_and_noise_as_they_are(weights: Path) -> None:
    (_, free, _), (_, drawn, _) = (requested(weights, Kind.MOLECULE, way) for way in ("model", "training"))
    for index in range(20):
        one, other = free.draw(index), drawn.draw(index)
        np.testing.assert_array_equal(one.noise, other.noise)
        assert one.counts is None
        assert sum((other.counts or {}).values()) == len(one)
        assert drawn.draw(index).counts == other.counts, "a function of seed, kind and index"


def test_the_page_of_scores_knows_how_samples_were_made(weights: Path, tmp_path: Path) -> None:
    sampled(weights, tmp_path, 1, Kind.MOLECULE, "training", atoms=3)
    description = _made_with([tmp_path / "x.arrow", tmp_path / "absent.cif"])
    assert (
        description["by_kind"]["molecule"] | {"formulas": "training", "steps": 3} == description["by_kind"]["molecule"]
    )
    assert description["conditions"] == {"molecule": {"atoms": 3}}


def test_what_is_asked_for_goes_before_drawn_formulas(weights: Path, tmp_path: Path) -> None:
    for system in sampled(weights, tmp_path, 4, Kind.MOLECULE, "training", composition="H2S"):
        assert hill(composition(system.numbers)) == "H2S"
    for system in sampled(weights, tmp_path, 6, Kind.MOLECULE, "training", motif=motif(tmp_path, WATER)):
        assert hill(composition(system.numbers)) == "H2O", "sizes and formulas have room for the motif"
    for system in sampled(weights, tmp_path, 4, Kind.MOLECULE, "training", composition="C-H"):
        assert hill(composition(system.numbers)) == "CH4", "formulas of the chemical system"
    assert requested(weights, Kind.CRYSTAL, "training", composition="NaCl")[1].formulas is None


@pytest.mark.parametrize("conditions", [{"atoms": 4}, {"composition": "Li-F"}])
def test_the_model_decides_where_no_formula_fits(
    weights: Path, conditions: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    _, request, _ = requested(weights, Kind.MOLECULE, "training", **conditions)
    assert request.formulas is None
    assert "no formula fits" in caplog.text


def test_formulas_that_are_not_known_are_refused(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"by_kind\.molecule\.formulas"):
        requested(weights, Kind.CRYSTAL, "training")
    older = write_weights(tmp_path)
    record = read_json(older / "dit/config.json")
    del record["formula_histograms"]
    write_json(older / "dit/config.json", record)
    assert requested(older, Kind.MOLECULE)[1].draw(0).counts is None
    with pytest.raises(ConfigError, match="train it again, or set formulas: model"):
        requested(older, Kind.MOLECULE, "training")


@pytest.mark.parametrize("held", [SALT, FOUR_SODIUM], ids=lambda s: s.system_id)
@pytest.mark.parametrize("text", [None, "NaCl", "Na-Cl", "Na-Cl-O"])
def test_a_motif_and_a_composition_are_both_met(
    weights: Path, tmp_path: Path, held: AtomicSystem, text: str | None
) -> None:
    for system in sampled(weights, tmp_path, 16, composition=text, motif=motif(tmp_path, held)):
        assert text is None or fits(parse_composition(text), system.numbers), "the motif's atoms count too"
        np.testing.assert_allclose(system.cell, CUBE, atol=1e-9)
        for number, position in zip(held.numbers, held.positions, strict=True):
            away = np.linalg.norm(system.positions[system.numbers == number] - position, axis=1)
            assert away.min() < 1e-6


def test_a_molecules_motif_keeps_its_shape(weights: Path, tmp_path: Path) -> None:
    kept = 0
    for system in sampled(weights, tmp_path, 8, Kind.MOLECULE, motif=motif(tmp_path, WATER)):
        oxygen = system.positions[system.numbers == 8]
        hydrogen = system.positions[system.numbers == 1]
        distances = np.linalg.norm(oxygen[:, None] - hydrogen, axis=-1)
        kept += int((np.abs(distances - np.hypot(0.76, 0.6)) < 1e-6).sum() >= 2)
    assert kept == 8


def test_a_motif_is_held_on_the_straight_path(weights: Path, tmp_path: Path) -> None:
    """At every step its atoms stand at (1 − t) Z⁽⁰⁾ + t z, as long as z is not found again."""
    sampler, request, stage = requested(weights, motif=motif(tmp_path, SALT))
    draw = request.draw(0)
    seen: list[tuple[float, torch.Tensor, torch.Tensor]] = []
    sampler.latents([draw], request, stage.sample, lambda s: seen.append((s.t, s.latents[0], s.clean[0])))
    t, latents, clean = seen[0]
    assert draw.held is not None
    expected = (1 - t) * torch.from_numpy(draw.noise[draw.held]) + t * clean[draw.held]
    torch.testing.assert_close(latents[draw.held], expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(seen[-1][1][draw.held], seen[-1][2][draw.held])


def test_superposition_is_a_rotation() -> None:
    random = np.random.default_rng(3)
    points = random.normal(size=(5, 3))
    rotation, _ = np.linalg.qr(random.normal(size=(3, 3)))
    rotation *= np.sign(np.linalg.det(rotation))
    np.testing.assert_allclose(superpose(points, points @ rotation + 2.0), points @ rotation + 2.0, atol=1e-12)
    mirrored = superpose(points, points * [1, 1, -1])
    assert np.abs(mirrored - points * [1, 1, -1]).max() > 0.1


def test_amounts_that_are_drawn_leave_room_for_the_motif(weights: Path, tmp_path: Path) -> None:
    _, request, _ = requested(weights, composition="Na-Cl", motif=motif(tmp_path, FOUR_SODIUM))
    draws = [request.draw(i) for i in range(60)]
    assert min(map(len, draws)) >= 5, "four sodium atoms, and at least one of chlorine"
    if request.conditioned:
        assert {draw.counts[17] for draw in draws if draw.counts and len(draw) == 9} == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"composition": "Li-Fe-O", "motif": SALT}, "the motif holds Na, which the composition Li-Fe-O lacks"),
        ({"composition": "NaF", "motif": SALT}, "the motif holds Cl, which the composition NaF lacks"),
        ({"composition": "NaCl", "motif": FOUR_SODIUM, "atoms": 4}, "4 atoms do not fit NaCl .* with a motif of 4 Na"),
        ({"composition": "Na-Cl", "motif": FOUR_SODIUM, "atoms": 4}, "4 atoms do not fit"),
        ({"composition": "NaCl", "atoms": (3, 3)}, r"3 atoms do not fit NaCl \(2 atoms a formula unit\)"),
        ({"motif": SALT, "atoms": 1}, "1 atoms do not fit a motif of 1 Na, 1 Cl"),
    ],
)
def test_what_cannot_be_together_is_refused_before_sampling(
    weights: Path, tmp_path: Path, conditions: dict[str, Any], message: str
) -> None:
    if "motif" in conditions:
        conditions = {**conditions, "motif": motif(tmp_path, conditions["motif"])}
    with pytest.raises(ConfigError, match=message):
        requested(weights, **conditions)


@pytest.mark.parametrize(
    ("name", "content"), [("a.cif", b"\xff\xfe\x00"), ("a.xyz", b""), ("a.sdf", b"no"), ("a.arrow", b"x")]
)
def test_a_broken_motif_is_one_clear_line(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"motif .*{name}: cannot be read"):
        read_motif(tmp_path / name, Kind.CRYSTAL)


def test_a_motif_outside_the_vocabulary_is_refused(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "og.xyz").write_text("2\n\nH 0 0 0\nOg 0 0 1.5\n")
    with pytest.raises(ConfigError, match="Og, which is outside"):
        requested(weights, Kind.MOLECULE, motif=str(tmp_path / "og.xyz"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--atoms", "²"], "--atoms ²"),
        (["--atoms", "0-4"], "--atoms 0-4"),
        (["--label", "=3"], "--label =3"),
        (["--label", "composition=3"], "ask for it as a composition"),
        (["--label", "spacegroup=221"], "has a key of its own"),
        (["--guidance", "1e300"], "less than or equal to 1000"),
        (["--out", "/"], "/: is a folder; name a file"),
        (["--n", "0"], "'0' is not a whole number from 1 to"),
        (["--n", "-3"], "'-3' is not a whole number from 1 to"),
    ],
)
def test_a_senseless_request_is_one_clear_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    folder = write_weights(tmp_path, [SPACEGROUP, COMPOSITION])
    start = ["sample", "--weights", str(folder), "--kind", "crystal", "--n", "2", "--steps", "2"]
    try:
        code = main([*start, "--out", str(tmp_path / "x.arrow"), *words])
    except SystemExit as end:
        code = int(end.code or 0)
    assert code == 2
    assert message in capfd.readouterr().err
    assert not (tmp_path / "x.arrow").exists()


def test_what_is_no_plain_file_is_not_replaced(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder, pipe = write_weights(tmp_path), tmp_path / "pipe"
    os.mkfifo(pipe)
    words = ["--weights", str(folder), "--kind", "crystal", "--steps", "2", "--out", str(pipe)]
    assert main(["sample", "--n", "2", *words]) == 2
    assert main(["trajectory", *words]) == 2
    assert "is not a plain file" in capfd.readouterr().err
    assert pipe.is_fifo()


def test_a_shard_that_the_run_lacks_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = write_weights(tmp_path)
    words = ["sample", "--weights", str(folder), "--kind", "crystal", "--out", str(tmp_path / "x.arrow")]
    assert main([*words, "--shard", "100"]) == 2
    assert "the run has 100 of crystals, 0 to 99" in capfd.readouterr().err
    assert not (tmp_path / "x.arrow").exists()


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_model_is_told_its_last_prediction_only_if_it_was_trained_so(tmp_path: Path, share: float) -> None:
    folder = write_weights(tmp_path)
    write_json(
        folder / "dit/config.json", {**read_json(folder / "dit/config.json"), "train": {"self_conditioning": share}}
    )
    sampler, request, stage = requested(folder)
    received: list[bool] = []
    sampler.dit.register_forward_pre_hook(lambda module, inputs: received.append(bool(inputs[1].any())))
    sampler.latents([request.draw(0)], request, stage.sample)
    assert received == [False, share > 0, share > 0]


@pytest.mark.parametrize("name", ["center_noise", "size_histograms"])
def test_a_record_that_lacks_something_says_what(tmp_path: Path, name: str) -> None:
    folder = write_weights(tmp_path)
    record = read_json(folder / "dit/config.json")
    del record[name]
    write_json(folder / "dit/config.json", record)
    with pytest.raises(DataError, match=f"lacks '{name}'"):
        Sampler(folder / "vae", folder / "dit")


def test_a_class_is_a_whole_number() -> None:
    values = {"conditions": {"crystal": {"labels": {"phase": 2.7}}}}
    stage = SampleStage(seed=0, sample=SampleConfig.model_validate(values))
    with pytest.raises(ConfigError, match=r"2\.7 is not a class"):
        make_request(
            stage,
            Kind.CRYSTAL,
            histograms={"crystal": {"4": 1.0}},
            formulas={},
            labels=[LabelConfig(name="phase", type="category", classes=5)],
            latent_dim=4,
            max_atomic_number=100,
        )
