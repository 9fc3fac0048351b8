"""Prove: what really runs in integers, how far it is from float, and what it costs."""
