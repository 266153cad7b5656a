"""Rounds: which samples of a run are good enough to train on, and where each came from."""
