"""Whether a node is as a kernel of the target wants it."""
