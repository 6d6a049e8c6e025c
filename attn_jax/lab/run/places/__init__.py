"""Places for jobs: what `--place` takes, an executor each."""
