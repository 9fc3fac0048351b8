"""Data sets as folders: set.toml + data."""
