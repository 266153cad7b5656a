"""Train room: one loop for both stages, averaged weights, checkpoints and the latent cache."""
