"""One state that every token changes."""
