"""Passes that change the element types of graph inputs and outputs, or the quantized form of a
whole model.
"""
