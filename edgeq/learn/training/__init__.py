"""Training: lessons, schedules, checkpoints, and reconstruction block by block."""
