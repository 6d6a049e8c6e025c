"""Recurrences: cells, scans, and memories that are matrices, in forms that agree."""
