"""Which nodes run in integers, as a minimum cut, and which float nodes around one explain it."""
