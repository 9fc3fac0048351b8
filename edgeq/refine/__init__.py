"""Decide with the data in view: equalization, input grids, rounding, biases, codebooks."""
