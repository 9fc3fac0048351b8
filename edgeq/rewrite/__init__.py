"""The passes in order: before calibration, and for carrying out a plan."""
