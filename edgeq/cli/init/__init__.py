"""`edgeq init`, and the folder that it fills."""
