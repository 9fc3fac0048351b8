"""Passes that choose forms with fast integer kernels, and keep the other nodes in float."""
