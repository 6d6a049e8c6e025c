"""Jobs: where they run, how they are watched, stopped and begun again."""
