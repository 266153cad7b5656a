"""What a run left on disk: its tables, its manifest, what its jobs took."""
