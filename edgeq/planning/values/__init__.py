"""The grid and the width of each value: its range, its bits, and its borders."""
