"""Models that grow, and how time and memory grow with them."""
