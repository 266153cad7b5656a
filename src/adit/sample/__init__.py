"""Sample room: generation in shards and the prior over system sizes."""
