"""What edgeq/io/file_set.py is made of: the bytes of a model, and the last steps of a file."""
