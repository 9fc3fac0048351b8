"""The form of a node: its attributes with ONNX's defaults, the sizes that a Resize changes."""
