"""Proofs in runtimes other than onnxruntime: what ran there, and how far from the int8 model."""
