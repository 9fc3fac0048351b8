"""Training: lessons, schedules, checkpoints, reconstruction part by part."""
