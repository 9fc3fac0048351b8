"""`edgeq convert`, and the text of its result."""
