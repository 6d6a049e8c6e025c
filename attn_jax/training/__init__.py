"""Training: losses, metrics, the optimiser, one pure step, evaluation, checkpoints, and the host's loop around them."""
