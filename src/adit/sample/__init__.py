"""Sample room: generation in shards, priors of sizes and formulas, motifs."""
