"""Passes of preparation that recognize one function or layer in the many ways it is written."""
