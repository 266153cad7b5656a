"""Muon: orthogonal updates, the right parameters, a state that continues."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from adit.config import DitModelConfig, OptimConfig
from adit.model.dit import DiT
from adit.train.optimizer import Muon, make_optimizer, orthogonalized


@given(st.integers(2, 24), st.integers(2, 24), st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_orthogonalized_keeps_the_singular_vectors_and_levels_the_values(m: int, n: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    left, _, right = torch.linalg.svd(torch.randn(m, n, generator=generator), full_matrices=False)
    values = torch.linspace(1.0, 0.2, min(m, n))
    matrix = left @ torch.diag(values) @ right
    levelled = left.mT @ orthogonalized(matrix[None])[0] @ right.mT
    diagonal = levelled.diagonal()
    assert ((diagonal > 0.6) & (diagonal < 1.25)).all()
    assert torch.allclose(levelled, torch.diag(diagonal), atol=1e-3)


def test_only_matrices_of_the_blocks_are_orthogonalised() -> None:
    module = DiT(DitModelConfig(d_model=32, heads=2, layers=2), 4)
    optimizer = make_optimizer(module, OptimConfig(optimizer="muon"))
    adamw, muon = optimizer.parts
    held = {id(p) for group in muon.param_groups for p in group["params"]}
    names = {name for name, p in module.named_parameters() if id(p) in held}
    assert len(names) == 2 * 4
    assert all(".attention." in name or ".feed." in name for name in names)
    counted = sum(p.numel() for part in (adamw, muon) for group in part.param_groups for p in group["params"])
    assert counted == sum(p.numel() for p in module.parameters())


def test_queries_keys_and_values_are_matrices_of_their_own() -> None:
    torch.manual_seed(0)
    whole = nn.Parameter(torch.zeros(12, 4))
    pieces = [nn.Parameter(torch.zeros(4, 4)) for _ in range(3)]
    whole.grad = torch.randn(12, 4)
    for piece, gradient in zip(pieces, whole.grad.chunk(3), strict=True):
        piece.grad = gradient.clone()
    Muon([{"params": [whole], "pieces": 3}], 0.1, 0.0).step()
    Muon([{"params": pieces}], 0.1, 0.0).step()
    assert torch.allclose(whole, torch.cat(pieces), atol=1e-6)


def test_a_step_has_the_size_of_one_of_adamw() -> None:
    torch.manual_seed(0)
    matrix = nn.Parameter(torch.zeros(64, 256))
    matrix.grad = torch.randn(64, 256)
    Muon([{"params": [matrix]}], 1.0, 0.0).step()
    assert matrix.square().mean().sqrt().item() == pytest.approx(0.2, rel=0.2)


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_state_goes_on_bit_for_bit(name: str) -> None:
    def train(module: DiT, optimizer: object, steps: range) -> None:
        for step in steps:
            for index, p in enumerate(module.parameters()):
                p.grad = torch.sin(torch.arange(p.numel()) * (1.0 + step) + index).view_as(p)
            optimizer.step()  # type: ignore[attr-defined]

    config = OptimConfig.model_validate({"optimizer": name, "lr": 1e-2})
    torch.manual_seed(0)
    straight, halved = (DiT(DitModelConfig(d_model=16, heads=2, layers=1), 4) for _ in range(2))
    halved.load_state_dict(straight.state_dict())
    train(straight, make_optimizer(straight, config), range(4))
    first = make_optimizer(halved, config)
    train(halved, first, range(2))
    second = make_optimizer(halved, config)
    second.load_state_dict(first.state_dict())
    train(halved, second, range(2, 4))
    for a, b in zip(straight.parameters(), halved.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("shape", [(3, 24, 24), (2, 16, 64), (2, 64, 16), (1, 8, 16)])
def test_both_ways_to_orthogonalise_are_one_polynomial_of_the_singular_values(shape: tuple[int, ...]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u, s, v = torch.linalg.svd(matrices, full_matrices=False)
    s = s / s.norm(dim=-1, keepdim=True)
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    torch.testing.assert_close(orthogonalized(matrices), u * s[:, None, :] @ v, rtol=1e-5, atol=1e-5)
    rough = orthogonalized(matrices.float()).double()
    torch.testing.assert_close(rough, u * s[:, None, :] @ v, rtol=1e-2, atol=1e-3)
