"""Hull room: reference entries, energies above the convex hull, and rules for comparing energies."""
