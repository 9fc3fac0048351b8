"""Passes that carry out the grids, codes and biases of a plan."""
