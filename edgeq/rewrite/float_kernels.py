"""Ask onnxruntime which nodes of a prepared model it computes with one kernel, for planning."""

from __future__ import annotations

from contextlib import suppress

import onnx_ir as ir

from edgeq.errors import RuntimeRefused
from edgeq.graph.read import nodes
from edgeq.planning.kernel_fit import NOT_FLOAT, obstacle
from edgeq.runtimes.fusion import note_fusions
from edgeq.runtimes.fusions import fusions
from edgeq.schema.target import Target


def note_float_kernels(model: ir.Model, target: Target) -> ir.Model:
    """Record on the model what noted_fusions reads, and return the model.

    It is not asked for where planning has no use for it: the target belongs to another runtime, or
    every node has an integer form.
    """
    if target.runtime != "onnxruntime" or target.integer_only:
        return model
    if all(obstacle(node, target) in (None, NOT_FLOAT) for node in nodes(model)):
        return model
    # what the runtime does not open has no kernels; whoever runs it next says so
    with suppress(RuntimeRefused):
        note_fusions(model, fusions(model))
    return model
