"""A model in whatever form a caller has it."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx_ir as ir

from edgeq.io.load import Loaded, load_model, load_proto

#: a path, the bytes of a file, a model in memory, or one that was read already
ModelSource = str | Path | bytes | onnx.ModelProto | ir.Model | Loaded


def load(model: ModelSource, *, quantized: bool = False) -> Loaded:
    """Read and check a model; one that was read already is left as it is.

    quantized: accept integer models too. Raises what load_model raises.
    """
    if isinstance(model, Loaded):
        return model
    return load_model(model, quantized=quantized) if isinstance(model, str | Path) else load_proto(model, quantized=quantized)
