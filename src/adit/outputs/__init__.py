"""Rule for outputs: a command replaces and removes only files of its own manifest.

``parts``     temporary files beside their place, swept after a kill
``manifest``  what a verb wrote, with hashes, in the hidden folder ``.adit`` beside it
``replace``   new content is written beside, checked, and swapped in
``scratch``   folders of intermediate results (state, runs of external programs)
``logs``      log files
``clean``     removes what manifests name
"""
