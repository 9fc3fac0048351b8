"""Training of quantized ONNX graphs in torch (extra [learn]); the only room that imports torch."""
