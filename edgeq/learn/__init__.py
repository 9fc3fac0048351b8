"""Learning on ONNX graphs in torch: extra [learn]. The only importer of torch."""
