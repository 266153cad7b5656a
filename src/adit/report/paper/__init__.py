"""The paper's figures and tables with this run's numbers beside the published ones."""
