"""The commands: what may be typed, and the functions that cli.py calls."""
