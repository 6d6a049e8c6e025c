"""From what was written to what can be said."""
