"""Score room: hull, validity, uniqueness, novelty, PoseBusters and their aggregation with intervals."""
