"""ONNX operators in torch."""
