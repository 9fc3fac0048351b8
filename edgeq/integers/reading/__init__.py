"""A .tflite file as integer operators, which the interpreter runs: the inverse of emit.py."""
