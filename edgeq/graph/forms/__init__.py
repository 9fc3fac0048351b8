"""Attributes of a node with ONNX's defaults, sizes of a Resize, where constants are kept."""
