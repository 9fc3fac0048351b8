"""Simulation of an integer model in torch, with gradients for what is learned."""
