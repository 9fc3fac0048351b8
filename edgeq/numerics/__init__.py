"""Numbers and their codes, with numpy alone: grids, rounding, codebooks."""
