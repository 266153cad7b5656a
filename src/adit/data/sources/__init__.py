"""Sources of raw files: mirrors, downloads, checksums, archives."""
