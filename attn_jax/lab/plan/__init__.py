"""From a study to what is run."""
