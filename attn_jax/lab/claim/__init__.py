"""A claim from its declaration to its verdict: hashed, run by what runs studies, judged, kept."""
