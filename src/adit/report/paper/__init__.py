"""The paper's figures and tables with this run's numbers and the published ones."""
