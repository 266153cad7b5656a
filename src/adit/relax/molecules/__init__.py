"""Relaxation of molecules with GFN2-xTB, and what is computed of the relaxed ones."""
