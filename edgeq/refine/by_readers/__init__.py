"""Ranges of values whose readers bound them or do not see all of them."""
