"""The reference for integer arithmetic: int8 graphs in numpy, int32 accumulators, no floats."""
