"""Passes over the float model before calibration: simplify, fold and normalize it."""
