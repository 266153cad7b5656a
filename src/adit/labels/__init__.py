"""Labels that are computed, not published: tables of values by system, joined to the data when a denoiser trains."""
