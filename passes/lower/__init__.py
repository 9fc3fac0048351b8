"""Passes that replace operators by ones for which a target has integer kernels."""
