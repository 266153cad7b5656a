"""The paper's networks by name, with the published numbers of parameters."""

from __future__ import annotations

from dataclasses import dataclass

from adit.config.model import DitModelConfig, VaeModelConfig


@dataclass(frozen=True)
class PaperModel:
    """One network of the paper.

    Attributes:
        name: name in the paper.
        config: width, heads, layers.
        parameters: number of parameters in millions, as published.
    """

    name: str
    config: VaeModelConfig | DitModelConfig
    parameters: float


PAPER_MODELS = (
    PaperModel("VAE", VaeModelConfig(), 51.0),
    PaperModel("DiT-S", DitModelConfig(d_model=384, heads=6, layers=12), 32.6),
    PaperModel("DiT-B", DitModelConfig(), 129.7),
    PaperModel("DiT-L", DitModelConfig(d_model=1024, heads=16, layers=24), 450.0),
)
"""Source: Section 3 and Appendix D. The paper's 24 heads of DiT-L do not divide 1024:
docs/decisions/0012-heads-of-dit-l.md."""
