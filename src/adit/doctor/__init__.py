"""What a run needs of a machine, checked before anyone waits for it: each finding says how to get what is missing."""
