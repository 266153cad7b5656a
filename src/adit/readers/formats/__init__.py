"""File formats: how each is cut into structures and how one is parsed; the registry names them all."""
