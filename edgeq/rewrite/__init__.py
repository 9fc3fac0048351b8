"""The passes in order: before calibration, and after the plan."""
