"""Relaxation with machine-learned potentials (CHGNet): in worker processes or batched on a GPU."""
