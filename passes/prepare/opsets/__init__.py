"""What onnx's version converter does wrong or cannot do, and edgeq does in its place."""
