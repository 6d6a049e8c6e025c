"""Exact laws and arithmetic that samplers and floors share; nothing here is a task."""
