"""Figures: style, saving as SVG with their numbers, and the charts of the page."""
