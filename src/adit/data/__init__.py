"""Data room: sources, datasets, normalisation, splits, statistics, augmentation and batching."""
