"""Passes that change how weights are stored in the file."""
