"""The command `edgeq doctor`: what this machine can prove."""
