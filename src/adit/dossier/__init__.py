"""Dossiers of candidates: what a person needs to decide on one, as a page and a folder; no network is used.

``crystals``, ``supply``, ``diffraction``, ``decomposition``, ``neighbours``   facts of a crystal
``molecules``   facts of a molecule
``inputs``      files to go on with
``content``     the parts of a dossier, in words
``write``       folders and pages
"""
