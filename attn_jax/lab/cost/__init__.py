"""What a program and a mixer cost."""
