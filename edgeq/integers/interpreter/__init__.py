"""The reference for integer arithmetic: int8 graphs in numpy, with int32 accumulators and no float
between input and output.
"""
