"""What a user sees when a study has ended: a table on the terminal and one self-contained page."""
