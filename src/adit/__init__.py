"""ADiT: one diffusion model for crystals and molecules, from data to density-functional theory."""

__version__ = "0.1.0"
