"""Relaxation with machine-learned potentials: in worker processes, or batched on a GPU."""
