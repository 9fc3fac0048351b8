"""edgeq: a trained float ONNX model in, a proven int8 model for the edge out."""

__version__ = "0.1.0"
