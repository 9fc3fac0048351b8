"""Operators on codes: `emit` (TFLite) and `run` (numpy) side by side, one table row each."""
