"""Looking up and copying."""
