"""Passes that turn operators into ones that a target has integer kernels for."""
