"""Let a run start from a model that computes in float32, whatever float type its file has."""

from __future__ import annotations

from dataclasses import replace

from edgeq.io.load import Loaded
from edgeq.passes.prepare.compute_in_float32 import ComputeInFloat32, has_other_floats


def in_float32(loaded: Loaded) -> Loaded:
    """The same model in float32, inputs and outputs included; itself, if it is that already.

    Everything is measured on it: onnxruntime has few kernels for half floats. float16 and bfloat16
    become float32 exactly. The result gets the declared types back where its target has a Cast.
    """
    if not has_other_floats(loaded.model):
        return loaded
    model = loaded.model.clone()
    ComputeInFloat32(keep_types=False)(model)
    return replace(loaded, model=model)
