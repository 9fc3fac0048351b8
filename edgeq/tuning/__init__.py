"""Measure what integer and float kernels take on this machine, for the cost tables of a target."""
