"""Slow external checks, each in worker processes: PoseBusters, MOFChecker."""
