"""Codebooks end to end: tables of floats, several widths, trained where they miss."""
