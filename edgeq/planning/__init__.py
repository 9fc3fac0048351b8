"""Decide, without running anything: where nodes run, and a grid for every value and weight."""
