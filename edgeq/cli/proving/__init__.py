"""What `edgeq prove` and `edgeq compare` do with files that are no ONNX models."""
