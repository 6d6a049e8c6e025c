"""A study's folder: what lies in it, how it is written whole, what may be read back."""
