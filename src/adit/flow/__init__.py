"""Flow room: interpolant, loss, guidance and solvers of latent flow matching."""
