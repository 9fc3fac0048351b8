"""Refine a plan with data: equalization, input grids, rounding, bias correction, codebooks."""
