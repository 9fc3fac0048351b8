"""Task metrics: those built in and those of one's own, summed batch by batch for two models."""
