"""Solvers of the probability-flow ODE (and one of its SDE) behind one interface, ``adit.flow.solver.Solver``."""
