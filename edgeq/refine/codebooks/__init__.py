"""Codebooks of a plan: at how many bits, how they are fitted, and the step that does it."""
