"""edgeq beside the strongest rivals, each in an environment of its own."""
