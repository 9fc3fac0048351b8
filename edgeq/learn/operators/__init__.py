"""ONNX operators as functions on torch tensors, for float and for quantized models."""
