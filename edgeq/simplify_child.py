"""Run onnxsim on one file, in a process of its own: `python -m edgeq.simplify_child IN OUT`."""

from __future__ import annotations

import sys

# onnxsim imports torch when it is installed: 2.5 s and 300 MB for nothing. None here makes `import torch` raise ImportError.
sys.modules["torch"] = None  # type: ignore[assignment]

#: these cut a MatMul of rank 3 into Reshape, Gemm, Reshape: more nodes, and the reshapes are no integer work
SKIPPED = ["fuse_matmul_add_bias_into_gemm", "fuse_matmul_add_bias_into_gemm_batched"]


def main(source: str, target: str) -> None:
    """Simplify the model file `source` into the model file `target`."""
    import onnx
    import onnxsim  # type: ignore[import-untyped]  # ships no types

    model, _ = onnxsim.simplify(onnx.load(source), skipped_optimizers=SKIPPED)
    onnx.save(model, target)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
