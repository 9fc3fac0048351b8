"""Effort best: candidates measured as they would ship."""
