"""Stage ``prepare``: normal form, splits, statistics; parallel and resumable."""
