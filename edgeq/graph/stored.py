"""What the file holds for a value: the codes that its DequantizeLinear reads, or the value."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.read import attribute_int, constant, is_op, only_consumer


@dataclass(frozen=True, eq=False)
class Stored:
    """Real numbers stored as scale * (codes - zero point), or as they are.

    They are stored as they are where no DequantizeLinear stands before their reader.
    """

    #: the integers, an initializer where they are constant; without a scale, the value itself
    codes: ir.Value
    #: float32, () or [C]; None: nothing is dequantized
    scale: ir.Value | None = None
    #: of the same type as the codes; None: 0
    zero_point: ir.Value | None = None
    #: the axis of the codes that the scales lie along, if there are several
    axis: int = 1
    #: number of codes along the axis that share a scale; 0: the scales are not blocked
    block_size: int = 0

    @property
    def dtype(self) -> ir.DataType | None:
        """The type of the codes.

        A value inside a file often has none, but its zero point has the same.
        """
        for value in (self.zero_point, self.codes):
            if value is not None and value.dtype is not None:
                return value.dtype
            array = constant(value)
            if array is not None:
                return ir.DataType.from_numpy(array.dtype)
        return None

    @property
    def initializer(self) -> ir.Value | None:
        """The codes, if they are an initializer that no caller can change or see, else None."""
        value = self.codes
        return value if value.is_initializer() and not value.is_graph_input() and not value.is_graph_output() else None


def stored(value: ir.Value | None) -> Stored | None:
    """What is stored for a value; None if there is no value."""
    if value is None:
        return None
    maker = value.producer()
    if maker is None or not is_op(maker, "DequantizeLinear") or maker.inputs[0] is None:
        return Stored(value)
    zero = maker.inputs[2] if len(maker.inputs) > 2 else None
    return Stored(maker.inputs[0], maker.inputs[1], zero, attribute_int(maker, "axis", 1), attribute_int(maker, "block_size", 0))


def stored_weight(node: ir.Node, index: int) -> Stored | None:
    """What is stored for input `index` of a node.

    For a MatMulInteger it is the second input; its scale is found in the Mul that follows the sums
    (MatMulInteger -> Cast -> Mul by a Mul of both scales). None where these nodes are missing.
    """
    if not is_op(node, "MatMulInteger"):
        return stored(node.inputs[index])
    codes, zero = node.inputs[1], node.inputs[3] if len(node.inputs) > 3 else None
    cast = only_consumer(node.outputs[0])
    scaled = None if cast is None else only_consumer(cast.outputs[0])
    steps = scaled.inputs[1] if scaled is not None and is_op(scaled, "Mul") else None
    product = None if steps is None else steps.producer()
    if codes is None or product is None or not is_op(product, "Mul"):
        return None
    return Stored(codes, product.inputs[1], zero)
