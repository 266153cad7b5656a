"""Whether a structure is known: in files of the user, to OPTIMADE providers, to PubChem."""
