"""DFT relaxations: selection, jobs with a wall limit, results, restarts."""
