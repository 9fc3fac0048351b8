"""Names of other tools for what edgeq does, so that their users change one import."""
