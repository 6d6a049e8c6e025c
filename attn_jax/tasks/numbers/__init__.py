"""Numbers, order, language."""
