"""The files of a run: tables, manifest, times of its jobs."""
