"""Weights (safetensors, in one file or shards) and a training's resume state."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adit.store.files import atomic_path, require_file, sha256, unreadable

if TYPE_CHECKING:
    import torch


def write_tensors(
    path: Path | str, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named tensors as safetensors, in their own precision.

    Args:
        path: the file.
        tensors: name → tensor.
        metadata: texts to store with them.

    Raises:
        DataError: the file cannot be written.
    """
    from safetensors.torch import save

    with atomic_path(path) as temporary:
        temporary.write_bytes(
            save({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, dict(metadata or {}))
        )


def read_tensors(path: Path | str) -> dict[str, torch.Tensor]:
    """Return name → tensor of a file of safetensors, on the CPU.

    Raises:
        DataError: the file is missing or broken.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = require_file(path)
    try:
        return load_file(path)
    except SafetensorError as error:
        raise unreadable(path, error) from error


def weight_files(folder: Path | str) -> list[Path]:
    """Return the file of a model's weights, or its shards in order; it is not checked whether they exist.

    Args:
        folder: the model's folder, with ``model.safetensors`` or ``model-*.safetensors``.
    """
    folder = Path(folder)
    whole = folder / "model.safetensors"
    shards = sorted(folder.glob("model-*.safetensors"))
    return [whole] if whole.is_file() or not shards else shards


def tensor_shapes(folder: Path | str) -> dict[str, tuple[int, ...]]:
    """Return name → shape of the weights in a model's folder from the headers of its files; no tensor is read.

    Raises:
        DataError: a file is missing, or its header does not match its size.
    """
    from safetensors import SafetensorError, safe_open

    shapes: dict[str, tuple[int, ...]] = {}
    for path in weight_files(folder):
        try:
            with safe_open(require_file(path), framework="numpy") as file:
                shapes |= {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise unreadable(path, error) from error
    return shapes


def read_weights(folder: Path | str) -> dict[str, torch.Tensor]:
    """Return name → tensor of the weights in a model's folder, one file or shards, as float32 on the CPU.

    Raises:
        DataError: a file is missing or broken.
    """
    tensors = {name: tensor for path in weight_files(folder) for name, tensor in read_tensors(path).items()}
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def weights_sha256(folder: Path | str) -> str:
    """Return the SHA-256 of the weights in a model's folder; for shards, the hash of their hashes in order.

    Raises:
        DataError: a file is missing.
    """
    import hashlib

    hashes = [sha256(path) for path in weight_files(folder)]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def write_torch(path: Path | str, state: Mapping[str, Any]) -> None:
    """Write the resume state of a training (written and read only by this package).

    Raises:
        DataError: the file cannot be written.
    """
    import io

    import torch

    buffer = io.BytesIO()  # torch hides the error of a full disk; plain writing reports it
    torch.save(dict(state), buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def read_torch(path: Path | str) -> dict[str, Any] | None:
    """Return a resume state, on the CPU; ``None`` if it is missing, broken, or has other than plain values."""
    import pickle
    import zipfile

    import torch

    if not Path(path).is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile):
        return None
    return state
