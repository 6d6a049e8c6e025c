"""Attention: one call, its masks and scores, the paths that compute it, the cache that continues it."""
