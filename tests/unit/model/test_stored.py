"""Weights are checked wherever they are read: hash, record, and shapes before memory is taken for them."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adit import cli
from adit.errors import DataError
from adit.model.build import load_dit, load_vae
from adit.store import sha256, tensor_shapes, write_json
from tests.weights import write_weights


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return write_weights(tmp_path)


def flip(path: Path, place: int, count: int = 2) -> None:
    """Change bytes of a file, counted from its end."""
    content = bytearray(path.read_bytes())
    for number in range(count):
        content[-place - number] ^= 0x41
    path.write_bytes(content)


def sample(weights: Path) -> int:
    vae, dit = str(weights / "vae"), str(weights / "dit")
    out = str(weights / "out.arrow")
    return cli.main(
        ["sample", "--vae", vae, "--dit", dit, "--kind", "crystal", "--n", "2", "--steps", "2", "--out", out]
    )


@pytest.mark.parametrize("part", ["vae", "dit"])
def test_two_flipped_bytes_are_an_error_where_the_parts_are_given_alone(
    weights: Path, part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sample(weights) == 0
    (weights / "out.arrow").unlink()
    flip(weights / part / "model.safetensors", 100)
    capsys.readouterr()
    assert sample(weights) == 3
    error = capsys.readouterr().err
    assert f"{weights / part}: the weights are not those of its config.json" in error
    assert not (weights / "out.arrow").exists()


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    record = json.loads(path.read_text())
    changed = change(record)
    write_json(path, record if changed is None else changed)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.pop("weights_sha256"), "lacks 'weights_sha256'"),
        (lambda r: r.pop("model"), "lacks 'model'"),
        (lambda r: r.update(model=[]), "has a wrong value"),
        (lambda r: r.update(max_atomic_number="many"), "has a wrong value"),
        (lambda r: r["model"].update(d_model=999_936), "tensor 'decoder"),
        (lambda r: r["model"].update(encoder_layers=10_000_000), "10000001 layers, the file has"),
        (lambda r: r["model"].update(latent_dim=10_000_000, d_model=10_000_000), "tensor"),
        (lambda r: r["model"].update(heads=3), "is not a multiple of heads"),
        (lambda r: r["model"].update(unknown=3), "unknown key"),
    ],
)
def test_a_record_that_does_not_fit_is_one_line(
    weights: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    rewrite(weights / "vae/config.json", lambda r: change(r) and None)
    with pytest.raises(DataError, match=message) as failed:
        load_vae(weights / "vae")
    assert len(str(failed.value)) < 500


@pytest.mark.parametrize(
    "text", ["[]", "[" * 100_000, "3", "", '{"model": ', "\0", "{}", '{"weights_sha256": {"a": 1}, "model": 3}']
)
def test_a_record_that_is_none_is_one_line(weights: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (weights / "dit/config.json").write_text(text)
    assert sample(weights) == 3
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "change",
    [
        {"size_histograms": {"crystal": {"many": 1.0}}},
        {"size_histograms": {"crystal": {"2": -1.0}}},
        {"size_histograms": []},
        {"formula_histograms": {"molecule": {"H2O": "often"}}},
        {"latent_dim": 10**9},
        {"latent_dim": "4"},
        {"vae_sha256": 3},
    ],
)
def test_a_record_of_a_denoiser_with_another_form_is_refused(weights: Path, change: dict[str, Any]) -> None:
    rewrite(weights / "dit/config.json", lambda r: r.update(change))
    with pytest.raises(DataError, match=r"config\.json|tensor"):
        load_dit(weights / "dit")


def test_a_file_cut_short_is_not_read(weights: Path) -> None:
    path = weights / "vae/model.safetensors"
    path.write_bytes(path.read_bytes()[:-50])
    rewrite(weights / "vae/config.json", lambda r: r.update(weights_sha256=sha256(path)))
    with pytest.raises(DataError, match="not readable"):
        load_vae(weights / "vae")


def test_shapes_are_read_from_the_head_alone(weights: Path) -> None:
    shapes = tensor_shapes(weights / "vae")
    assert shapes["encoder.types.weight"] == (101, 16)
    assert set(shapes) == set(load_vae(weights / "vae")[1].state_dict())


def test_a_record_that_claims_gigabytes_takes_none(weights: Path) -> None:
    """A VAE of 16 layers of 16,384 has 200 GB; saying that it is not the file's costs nothing."""
    rewrite(weights / "vae/config.json", lambda r: r["model"].update(d_model=16_384, heads=2))
    program = (
        "import resource, sys\nfrom pathlib import Path\nfrom adit.errors import DataError\n"
        "from adit.model.build import load_vae\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    load_vae(Path(sys.argv[1]))\nexcept DataError as error:\n    print(error)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(weights / "vae")], capture_output=True, text=True, timeout=120, check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (4 << 30, 4 << 30)),
    )  # fmt: skip
    message, more_mb = done.stdout.splitlines()
    assert "tensor" in message
    assert int(more_mb) < 200
