"""The command `edgeq formats`."""
