"""Calibration: run the float model over data and keep small, mergeable statistics."""
