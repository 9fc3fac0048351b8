"""Scripts that compare; nothing here is part of the package edgeq. See README.md."""
