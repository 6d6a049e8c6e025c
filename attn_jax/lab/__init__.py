"""The comparison: a study is planned, trained in blocks, gathered and judged."""
