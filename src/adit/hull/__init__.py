"""Hull room: reference entries, energies above the convex hull, and which energies may be compared."""
