"""What edgeq makes of the models that ONNX tests its own backends with."""
