"""Data sets: open them, check them against the model, and stream their samples."""
