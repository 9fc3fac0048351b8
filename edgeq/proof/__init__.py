"""Prove what runs in integers, how far the results are from float, and how long a run takes."""
