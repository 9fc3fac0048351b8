"""Shapes of values where the file does not tell them: by symbols, and as they may be expected."""
