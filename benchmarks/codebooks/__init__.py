"""Codebooks: what they save and cost, and how their k-means compares."""
