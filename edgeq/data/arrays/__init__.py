"""Arrays on disk, row by row."""
