"""Regular to context-sensitive languages: Deletang et al. 2023."""
