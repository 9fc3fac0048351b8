"""The rule about clamps that the range of a grid performs, and that some compilers lose.

Such a compiler folds a requantization into the preceding layer. It then drops the narrower grid,
and the clamp with it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from edgeq.graph.code_grids import grid_of
from edgeq.graph.read import constant, is_op, nodes, operator_of
from edgeq.integers.legality.violation import Violation
from edgeq.numerics.grid import QuantParams
from edgeq.schema.target import Target


def clamp_rules(model: ir.Model, target: Target) -> Iterator[Violation]:
    """Find layers whose output is requantized to a wider grid with the same zero point.

    The pattern is layer -> Q (clamping grid) -> DQ -> Q, or DQ -> Concat -> Q, with the wider grid
    last. The file does not tell whether the first grid was meant to clamp. It does tell that the
    first grid ends below the second, which is enough for the compiler to let larger values through.
    """
    for node in nodes(model):
        if not is_op(node, "Concat", "QuantizeLinear"):
            continue
        reader = _quantizer(node)
        wide = grid_of(reader) if reader is not None else None
        for value in node.inputs[: len(node.inputs) if is_op(node, "Concat") else 1]:
            dequantize = value.producer() if value is not None else None
            narrow = grid_of(dequantize) if dequantize is not None and is_op(dequantize, "DequantizeLinear") else None
            if dequantize is not None and narrow is not None and wide is not None and _from_layer(dequantize) and _loses(narrow, wide):
                observed = f"scale {float(narrow.scale):g} then {float(wide.scale):g}, zero point {int(wide.zero_point)} both times"
                yield Violation(
                    str(node.name), node.op_type, "lost_clamp", observed, "a clamp in the narrower grid is lost", target.activations.source,
                    "Let the wider grid have another zero point, or use one grid for both.",
                )  # fmt: skip


def _quantizer(node: ir.Node) -> ir.Node | None:
    """The QuantizeLinear that determines the grid of the node's result."""
    if is_op(node, "QuantizeLinear"):
        return node
    uses = [use.node for use in node.outputs[0].uses()]
    return uses[0] if len(uses) == 1 and is_op(uses[0], "QuantizeLinear") else None


def _from_layer(dequantize: ir.Node) -> bool:
    """Whether a layer makes these codes, with nothing but Relu and Clip in between."""
    source = dequantize.inputs[0]
    maker = source.producer() if source is not None and constant(source) is None else None
    if not is_op(maker, "QuantizeLinear") or maker is None:
        return False
    before = maker.inputs[0].producer() if maker.inputs[0] is not None else None
    while is_op(before, "Relu", "Clip") and before is not None and before.inputs[0] is not None:
        before = before.inputs[0].producer()
    return operator_of(before).layer


def _loses(narrow: QuantParams, wide: QuantParams) -> bool:
    if narrow.scale.size != 1 or wide.scale.size != 1 or narrow.dtype != wide.dtype:
        return False
    same = int(narrow.zero_point) == int(wide.zero_point)
    return same and bool(np.float32(wide.scale) > np.float32(narrow.scale) * np.float32(1 + 1e-6))
