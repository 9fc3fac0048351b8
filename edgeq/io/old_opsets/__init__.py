"""Models of opset 1 to 6, said in opset 7, where onnxruntime and onnx's converter start."""
