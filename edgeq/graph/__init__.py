"""Reading and changing onnx_ir graphs: nodes, layers, channels, shapes, names."""
