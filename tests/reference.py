"""The paper's networks and losses for one system, in numpy and double precision, from its equations alone.

Nothing here calls the package. ``w`` holds the weights of a network by name; one system has n atoms and no padding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy.special import erf

Array = np.ndarray
Weights = Mapping[str, Array]

TYPES, POSITIONS, FRACTIONAL, LENGTHS, ANGLES = range(5)
PERIODIC = np.array([1.0, 0.0, 10.0, 1.0, 10.0])
NON_PERIODIC = np.array([1.0, 10.0, 0.0, 0.0, 0.0])
"""λ_A, λ_X, λ_F, λ_Ll, λ_La. Source: Eq. 8."""


# --- layers -----------------------------------------------------------------------------------------------------------


def linear(w: Weights, name: str, x: Array) -> Array:
    return np.einsum("...i,oi->...o", x, w[f"{name}.weight"]) + w[f"{name}.bias"]


def relu(x: Array) -> Array:
    return np.where(x > 0, x, 0.0)


def swish(x: Array) -> Array:
    return x / (1.0 + np.exp(-x))


def gelu(x: Array) -> Array:
    """Source: Hendrycks and Gimpel (2016)."""
    return 0.5 * x * (1.0 + erf(x / np.sqrt(2.0)))


def standardize(x: Array, eps: float) -> Array:
    """Layer norm without its affine part."""
    mean = x.mean(axis=-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + eps)


def layer_norm(w: Weights, name: str, x: Array) -> Array:
    return standardize(x, 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def attention(w: Weights, name: str, x: Array, heads: int) -> Array:
    """softmax(Q Kᵀ / √k) V, head by head. Source: Vaswani et al. (2017), Eq. 1."""
    d = x.shape[-1]
    k = d // heads
    q, key, v = np.split(linear(w, f"{name}.qkv", x), 3, axis=-1)
    mixed = [
        softmax(np.einsum("ik,jk->ij", q[:, h : h + k], key[:, h : h + k]) / np.sqrt(k)) @ v[:, h : h + k]
        for h in range(0, d, k)
    ]
    return linear(w, f"{name}.out", np.concatenate(mixed, axis=-1))


def feed_forward(w: Weights, name: str, x: Array, activation: Callable[[Array], Array]) -> Array:
    return linear(w, f"{name}.2", activation(linear(w, f"{name}.0", x)))


def transformer(w: Weights, name: str, x: Array, heads: int, layers: int) -> Array:
    for i in range(layers):
        layer = f"{name}.layers.{i}"
        x = x + attention(w, f"{layer}.attention", layer_norm(w, f"{layer}.norm_attention", x), heads)
        x = x + feed_forward(w, f"{layer}.feed", layer_norm(w, f"{layer}.norm_feed", x), relu)
    return layer_norm(w, f"{name}.norm", x)


# --- autoencoder ------------------------------------------------------------------------------------------------------


def encode(w: Weights, numbers: Array, x: Array, f: Array, heads: int, layers: int) -> tuple[Array, Array]:
    """Algorithm 1: returns μ (n, d) and log σ² (n, d). ``x`` in nm."""
    h = w["encoder.types.weight"][numbers]
    for name, values in (("positions", x), ("fractional", f)):
        h = h + linear(w, f"encoder.{name}.2", swish(linear(w, f"encoder.{name}.0", values)))
    h = transformer(w, "encoder.transformer", h, heads, layers)
    return linear(w, "encoder.mean", h), linear(w, "encoder.logvar", h)


def decode(w: Weights, z: Array, heads: int, layers: int) -> tuple[Array, Array, Array, Array]:
    """Algorithm 2: returns logits (n, Z), x (n, 3), f (n, 3) and lattice parameters (6,)."""
    h = transformer(w, "decoder.transformer", linear(w, "decoder.embed", z), heads, layers)
    types, x, f = (linear(w, f"decoder.{name}", h) for name in ("types", "positions", "fractional"))
    return types, x, f, linear(w, "decoder.lattice", h.mean(axis=0))


def kl_divergence(mean: Array, logvar: Array) -> float:
    """D_KL(N(μ, σ) ‖ N(0, 1)^d), channel by channel, mean over atoms."""
    total = 0.0
    for mu, log in zip(mean.ravel(), logvar.ravel(), strict=True):
        sigma = np.exp(0.5 * log)
        total += np.log(1.0 / sigma) + (sigma**2 + mu**2) / 2.0 - 0.5
    return total / len(mean)


def reconstruction_parts(
    logits: Array, x_: Array, f_: Array, lattice_: Array, numbers: Array, x: Array, f: Array, lattice: Array
) -> Array:
    """L_A, L_X, L_F, L_Ll, L_La of Eq. 3 to 7; what has a dash is the prediction."""
    n = len(numbers)
    types = -np.mean([np.log(softmax(logits[i])[numbers[i] - 1]) for i in range(n)])
    moved = (x - x.sum(axis=0) / n) - (x_ - x_.sum(axis=0) / n)
    positions = sum(moved[i] @ moved[i] for i in range(n)) / (3 * n)
    fractional = sum((f[i] - f_[i]) @ (f[i] - f_[i]) for i in range(n)) / (3 * n)
    lengths = ((lattice[:3] - lattice_[:3]) ** 2).sum() / 3
    angles = ((lattice[3:] - lattice_[3:]) ** 2).sum() / 3
    return np.array([types, positions, fractional, lengths, angles])


def lattice_parameters(cell: Array, n: int) -> Array:
    """Lengths in Å over n^(1/3) and angles in radians of a cell with rows as lattice vectors."""
    a, b, c = cell
    lengths = [np.sqrt(v @ v) for v in (a, b, c)]
    pairs = ((b, c), (a, c), (a, b))
    angles = [np.arccos(u @ v / np.sqrt((u @ u) * (v @ v))) for u, v in pairs]
    return np.array([*(np.array(lengths) / n ** (1 / 3)), *angles])


def vae_loss(
    w: Weights,
    inputs: tuple[Array, Array, Array],
    target: tuple[Array, Array, Array, Array],
    noise: Array,
    shape: tuple[int, int, int],
    *,
    periodic: bool,
    kl_weight: float,
) -> float:
    """Eq. 8 and the KL term: ``inputs`` are the (corrupted) numbers, x, f; ``target`` the clean ones and the lattice.

    ``shape``: heads, layers of the encoder and of the decoder.
    """
    heads, encoder_layers, decoder_layers = shape
    mean, logvar = encode(w, *inputs, heads, encoder_layers)
    z = mean + np.exp(0.5 * logvar) * noise
    parts = reconstruction_parts(*decode(w, z, heads, decoder_layers), *target)
    weights = PERIODIC if periodic else NON_PERIODIC
    return float(weights @ parts) + kl_weight * kl_divergence(mean, logvar)


# --- denoiser ---------------------------------------------------------------------------------------------------------


def time_embedding(w: Weights, t: float) -> Array:
    """128 cosines and 128 sines of 1000 t at frequencies 10⁻⁴ⁱ/¹²⁸, then two layers."""
    frequencies = np.array([10000.0 ** (-i / 128) for i in range(128)])
    waves = np.concatenate([np.cos(1000.0 * t * frequencies), np.sin(1000.0 * t * frequencies)])
    return linear(w, "time.mlp.2", swish(linear(w, "time.mlp.0", waves)))


def dit_block(w: Weights, name: str, x: Array, condition: Array, heads: int) -> Array:
    """adaLN-zero: shift, scale and gate of both halves from the condition. Source: Peebles and Xie (2023), Fig. 3."""
    shift_a, scale_a, gate_a, shift_f, scale_f, gate_f = np.split(linear(w, f"{name}.modulation", condition), 6)
    x = x + gate_a * attention(w, f"{name}.attention", standardize(x, 1e-6) * (1 + scale_a) + shift_a, heads)
    return x + gate_f * feed_forward(w, f"{name}.feed", standardize(x, 1e-6) * (1 + scale_f) + shift_f, gelu)


def denoise(w: Weights, noisy: Array, previous: Array, t: float, label: int, heads: int, layers: int) -> Array:
    """Eq. 11: predicted clean latents (n, d) of one system with a class label."""
    condition = swish(time_embedding(w, t) + w["condition.kind.weight"][label])
    x = linear(w, "embed", np.concatenate([noisy, previous], axis=-1))
    for i in range(layers):
        x = dit_block(w, f"blocks.{i}", x, condition, heads)
    shift, scale = np.split(linear(w, "modulation", condition), 2)
    return linear(w, "out", standardize(x, 1e-6) * (1 + scale) + shift)


def field(clean: Array, noisy: Array, t: float) -> Array:
    """Eq. 10."""
    return (clean - noisy) / (1.0 - t)


def flow_loss(predicted: Array, clean: Array, noisy: Array, t: float) -> float:
    """Eq. 12, first line, with t clipped at 0.9 in both fields."""
    clipped = min(t, 0.9)
    difference = field(clean, noisy, clipped) - field(predicted, noisy, clipped)
    return sum(float(row @ row) for row in difference) / len(difference)


def sample(
    w: Weights, noise: Array, steps: int, guidance: float, label: int, null: int, heads: int, layers: int
) -> Array:
    """Algorithm 3 with t = i/T and self-conditioning on the prediction before."""
    z, previous = noise, np.zeros_like(noise)
    for i in range(steps):
        t = i / steps
        conditional = denoise(w, z, previous, t, label, heads, layers)
        unconditional = denoise(w, z, previous, t, null, heads, layers)
        previous = (1.0 - guidance) * unconditional + guidance * conditional
        z = z + field(previous, z, t) / steps
    return z


# --- training ---------------------------------------------------------------------------------------------------------


def adamw(
    w: Array, gradients: list[Array], lr: float, weight_decay: float, betas: tuple[float, float] = (0.9, 0.999)
) -> list[Array]:
    """Return the weights after each step. Source: Loshchilov and Hutter (2019), Algorithm 2."""
    m, v, path = np.zeros_like(w), np.zeros_like(w), []
    for step, g in enumerate(gradients, start=1):
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        m_hat, v_hat = m / (1 - betas[0] ** step), v / (1 - betas[1] ** step)
        w = w - lr * weight_decay * w - lr * m_hat / (np.sqrt(v_hat) + 1e-8)
        path.append(w)
    return path


def rotation(quaternion: Array) -> Array:
    """Rotation matrix of a quaternion (w, x, y, z) by Rodrigues' formula."""
    w, *axis = quaternion / np.linalg.norm(quaternion)
    sine = np.linalg.norm(axis)
    x, y, z = np.array(axis) / sine
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = 2.0 * np.arctan2(sine, w)
    return np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross


# --- derivatives ------------------------------------------------------------------------------------------------------


def slope(loss: Callable[[Weights], float], w: Weights, name: str, direction: Array, step: float = 1e-5) -> float:
    """Central difference of a loss along a direction of one tensor."""
    ahead, behind = ({**w, name: w[name] + sign * step * direction} for sign in (1.0, -1.0))
    return (loss(ahead) - loss(behind)) / (2.0 * step)
