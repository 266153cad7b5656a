"""Sources of data: mirrors, downloads, checksums, archives; servers that are asked, and their kept answers."""
