"""Quantization arithmetic in numpy alone: grids, rounding, codebooks, pruning."""
