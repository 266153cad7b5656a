"""The page: sections, citations, scripts, and the stage that builds it."""
