"""edgeq against onnxruntime.quantization: accuracy, size, time, memory, latency."""
