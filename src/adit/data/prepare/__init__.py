"""Stage ``prepare``: normal form, splits, statistics; spread over processes and resumable."""
