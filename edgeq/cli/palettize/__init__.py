"""The command `edgeq palettize`: its options, and its runs in floats and in integers."""
