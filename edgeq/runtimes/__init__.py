"""onnxruntime and the other runtimes: one file for each, which alone imports its package."""
