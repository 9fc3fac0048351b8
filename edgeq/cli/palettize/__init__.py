"""The command `edgeq palettize`."""
