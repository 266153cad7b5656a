"""DFT engines: registry, presets, and how each is called through atomate2."""
