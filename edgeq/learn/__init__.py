"""Learning on ONNX graphs; the only importer of torch (extra [learn])."""
