"""Where raw files come from: mirrors, downloads, checksums, and the archives they are packed in."""
