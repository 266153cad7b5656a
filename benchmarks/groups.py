"""What takes the time of a step, by kind of operation."""

from __future__ import annotations

from collections.abc import Callable

from torch.profiler import ProfilerActivity, profile

GROUPS = {
    "matrix products": ("addmm", "mm", "bmm", "baddbmm", "matmul", "linear", "mkldnn"),
    "softmax": ("softmax",),
    "activation": ("gelu", "relu", "silu"),
    "normalisation": ("layer_norm", "rms_norm"),
    "optimiser": ("_fused_adamw", "_foreach"),
    "sums": ("sum", "mean", "cumsum"),
    "products and additions element by element": ("mul", "add", "sub", "div", "lerp", "where", "pow", "neg", "clamp"),
    "copies": ("copy_", "cat", "stack", "index", "gather", "zero_", "fill_", "clone", "embedding"),
}
"""Kind → parts of the names of operations; the first that fits counts."""


def shares(step: Callable[[], object]) -> dict[str, float]:
    """Return kind of operation → share of the time of one step, %, the largest first."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        step()
    times: dict[str, float] = {}
    for event in profiler.key_averages():
        kind = _kind(event.key)
        times[kind] = times.get(kind, 0.0) + event.self_cpu_time_total
    total = sum(times.values())
    ranked = sorted(times.items(), key=lambda pair: -pair[1])
    return {kind: round(100 * seconds / total, 1) for kind, seconds in ranked}


def _kind(name: str) -> str:
    operation = name.removeprefix("aten::")
    for kind, parts in GROUPS.items():
        if any(operation == part or (len(part) > 3 and part in operation) for part in parts):
            return kind
    return "other"
