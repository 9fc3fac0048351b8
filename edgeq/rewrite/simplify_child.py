"""Run onnxsim in a process of its own: `python -m edgeq.rewrite.simplify_child IN OUT [...]`."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

#: these split a MatMul of rank 3 into Reshape, Gemm, Reshape: more nodes, and the Reshapes do not
#: run in integers
SKIPPED = ["fuse_matmul_add_bias_into_gemm", "fuse_matmul_add_bias_into_gemm_batched"]


def main(source: str, target: str, constants: str = "fold", processor: str = "60") -> None:
    """Simplify the model file `source` into the model file `target`.

    constants: "fold" them, or "keep" what is computed from them as it is. processor: seconds of a
    processor after which the system ends this process.
    """
    _limit_processor(int(processor))
    sys.modules["torch"] = None  # type: ignore[assignment]  # onnxsim imports it if installed: 2.5 s and 300 MB for nothing
    _limit_memory(Path(source).stat().st_size)
    import onnx
    import onnxsim  # type: ignore[import-untyped]  # ships no types

    model, _ = onnxsim.simplify(onnx.load(source), skipped_optimizers=SKIPPED, skip_constant_folding=constants == "keep")
    onnx.save(model, target)


def _limit_processor(seconds: int) -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    with contextlib.suppress(ValueError, OSError):  # ValueError: there is a lower limit already
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, hard))


def _limit_memory(model_bytes: int) -> None:
    """Limit memory, so that folding a hostile model raises MemoryError here.

    Without the limit, the whole system could run out of memory.
    """
    try:
        import resource
    except ImportError:  # not on Windows
        return
    bound = (8 << 30) + 10 * model_bytes
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    with contextlib.suppress(ValueError, OSError):  # macOS knows the limit but does not take it
        resource.setrlimit(resource.RLIMIT_AS, (bound if hard == resource.RLIM_INFINITY else min(bound, hard), hard))


if __name__ == "__main__":
    main(*sys.argv[1:])
