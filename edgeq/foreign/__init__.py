"""Quantized models of other tools, end to end: read, brought under a runtime's rules, written."""
