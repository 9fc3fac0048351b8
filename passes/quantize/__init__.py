"""Passes that apply the grids, codes and biases of a plan to the model."""
