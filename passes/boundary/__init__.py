"""Passes that change the types of graph inputs and outputs, or a model's quantized form."""
