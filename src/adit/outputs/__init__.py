"""Outputs of commands: a command replaces and removes only files of its own manifest.

``parts``     temporary files beside the outputs, removed after a kill
``manifest``  what a verb wrote, with hashes, in the hidden folder ``.adit`` beside it
``replace``   new content is written to a temporary folder, checked, and moved into place
``scratch``   folders of intermediate results (state, runs of external programs)
``logs``      log files
``clean``     removes what manifests name
"""
