"""Slow external checks, each in worker processes: PoseBusters, GFN2-xTB, MOFChecker."""
