"""Where convolutions are near: integer kernels there have channels last, float ones in blocks."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from edgeq.graph.read import is_op, operator_of, rank

#: nodes away from a convolution up to which its layout is looked for
FAR = 16


def at_convolution(value: ir.Value, *others: ir.Node) -> bool:
    """Whether convolutions make or read the value, whose integer kernels have channels last.

    others: nodes whose inputs count too.
    """
    near = [value.producer(), *(use.node for use in value.uses())]
    near += [read.producer() for node in others for read in node.inputs if read is not None]
    return (rank(value) or 0) > 2 and any(is_op(node, "Conv") for node in near)


def between_convolutions(node: ir.Node) -> bool:
    """Whether what the node reads or makes has the axes of a convolution nearby, in their order.

    Functions, sums, pools and moves of elements leave the axes as they are, and so do views that a
    Transpose of channels lies between.
    """
    return _leads_to_conv(node, _before) or _leads_to_conv(node, _behind)


def _leads_to_conv(node: ir.Node, step: Callable[[ir.Node], ir.Node | None]) -> bool:
    here = step(node)
    for _ in range(FAR):
        if here is None or is_op(here, "Conv"):
            return here is not None
        if operator_of(here).layer or operator_of(here).moves == "reorders":
            return False
        here = step(here)
    return False


def _before(node: ir.Node) -> ir.Node | None:
    source = next((value for value in node.inputs if value is not None and value.producer() is not None), None)
    return None if source is None else source.producer()


def _behind(node: ir.Node) -> ir.Node | None:
    return next((use.node for use in node.outputs[0].uses()), None)
