"""Report room: figures, tables, the HTML page and the run manifest."""
