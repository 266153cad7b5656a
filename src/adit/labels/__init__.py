"""Computed labels: tables of values by system, joined with the data when a denoiser is trained."""
