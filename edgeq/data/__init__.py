"""Data sets: opened, checked against the model, streamed."""
