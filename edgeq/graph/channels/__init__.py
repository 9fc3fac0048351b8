"""Which channels of different values must be scaled alike."""
