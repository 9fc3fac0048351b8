"""Rounding weights with the data in view: codes, scales, second moments, error feedback."""
