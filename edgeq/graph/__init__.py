"""Read and edit onnx_ir graphs: nodes, layers, channels, shapes, names."""
