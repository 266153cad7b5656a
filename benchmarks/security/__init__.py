"""Cases of ``benchmarks/security_cases.py``, by what is at risk."""
