"""Data that people hold in Python: arrays, iterables, loaders and readers, kept once on disk."""
