"""onnxruntime and the other runtimes: one file each, its only importer."""
