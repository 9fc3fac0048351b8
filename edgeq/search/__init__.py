"""Effort best: search for the best plan by measuring candidates as they would ship."""
