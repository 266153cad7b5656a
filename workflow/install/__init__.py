"""Set-up of the environment: locked packages, this package, GPAW.

Standard library only; started by workflow/scripts/env.sh.
"""
