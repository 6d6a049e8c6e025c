"""The smallest pairs of (init, apply): parameters are nested dicts of arrays."""
