"""Activations of 16 bits: what targets state of them, and how a recipe asks for them."""
