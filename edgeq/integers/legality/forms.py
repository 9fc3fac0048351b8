"""Rules about the form of an operator: attributes, axes, sizes of windows."""

from __future__ import annotations

from collections.abc import Iterator

from edgeq.graph.read import attribute_ints, window_axes
from edgeq.integers.graph import IntegerOp
from edgeq.integers.legality.violation import Violation
from edgeq.planning.fit.kernel_forms import unmet_form
from edgeq.schema.target import Target
from edgeq.schema.target_facts import KernelFacts


def form_rules(step: IntegerOp, target: Target) -> Iterator[Violation]:
    """Find what the form of one operator breaks."""
    kernel = target.kernel_of(step.op_type)
    unmet = unmet_form(step.node, target.forms_of(step.op_type))
    if unmet is not None:
        source, fix = target.movement.source if kernel is None else kernel.source, "Write it in that form in the float model."
        yield Violation(step.name, step.op_type, "form", unmet.found, f"{step.op_type} is taken {unmet.wanted}", source, fix)
    axes = window_axes(step.node)
    if axes is not None and target.window_axes is not None and axes != target.window_axes:
        observed, fix = f"it works on {axes} spatial axes", "Quantize the float model for this target: edgeq gives one axis a second one."
        yield Violation(step.name, step.op_type, "window_axes", observed, f"windows have {target.window_axes}", "window_axes", fix)
    if kernel is not None:
        yield from _window_rules(step, kernel)


def _window_rules(step: IntegerOp, kernel: KernelFacts) -> Iterator[Violation]:
    weight = step.inputs[kernel.weight] if kernel.weight is not None and kernel.weight < len(step.inputs) else None
    shape = weight.shape[2:] if weight is not None and weight.shape is not None else ()
    window = attribute_ints(step.node, "kernel_shape") or tuple(shape)
    strides = attribute_ints(step.node, "strides") or ()
    for rule, values, limit in (("window", window, kernel.max_window), ("stride", strides, kernel.max_stride)):
        if limit is not None and max(values, default=0) > limit:
            observed, fix = f"{rule} {list(values)}", "Split it in the float model."
            yield Violation(step.name, step.op_type, rule, observed, f"at most {limit}", kernel.source, fix)
