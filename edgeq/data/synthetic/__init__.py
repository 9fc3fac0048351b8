"""Data that is made up where there is none."""
