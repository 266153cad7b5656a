"""Model room: the networks (encoder, decoder, VAE, DiT); no input or output, no metrics."""
