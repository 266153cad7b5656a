"""File formats: each is cut into structures, which are parsed one by one; the registry lists the formats."""
