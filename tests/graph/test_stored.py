"""stored: codes and grid behind a DequantizeLinear, or the value itself; of a MatMulInteger, whose
scale is multiplied in behind it.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeq.graph.read import nodes
from edgeq.graph.stored import Stored, stored, stored_weight
from tests.graph_text import net, weights

CODES = np.arange(-6, 6).reshape(3, 4).astype(np.int8)
GRID = {"q": CODES, "s": np.full(4, 0.5, np.float32), "z": np.zeros(4, np.int8)}


def node_of(model: ir.Model, op_type: str) -> ir.Node:
    return next(node for node in nodes(model) if node.op_type == op_type)


def names(found: Stored | None) -> tuple[str | None, ...]:
    assert found is not None
    return tuple(None if value is None else value.name for value in (found.codes, found.scale, found.zero_point))


def test_codes_and_grid_behind_a_dequantize_linear() -> None:
    model = net("w = DequantizeLinear<axis = 1>(q, s, z) y = MatMul(x, w)", inputs="float[2, 3] x", constants=GRID)
    found = stored(node_of(model, "MatMul").inputs[1])
    assert names(found) == ("q", "s", "z")
    assert found is not None
    assert (found.axis, found.block_size, found.dtype) == (1, 0, ir.DataType.INT8)
    assert found.initializer is found.codes
    assert stored_weight(node_of(model, "MatMul"), 1) is not None


def test_a_value_that_is_not_dequantized_stands_for_itself() -> None:
    model = net("y = MatMul(x, w)", inputs="float[2, 3] x", constants={"w": weights(3, 4)})
    node = node_of(model, "MatMul")
    assert names(stored(node.inputs[1])) == ("w", None, None)
    found = stored(node.inputs[0])
    assert found is not None
    assert (found.codes.name, found.scale, found.initializer, found.dtype) == ("x", None, None, ir.DataType.FLOAT)
    assert stored(None) is None


def test_the_type_of_codes_is_that_of_the_zero_point() -> None:
    text = "q = QuantizeLinear(x, s, z) r = Identity(q) d = DequantizeLinear(r, s, z) y = Relu(d)"
    model = net(text, inputs="float[2, 3] x", constants={"s": 0.5, "z": np.int8(3)})
    value = node_of(model, "Identity").outputs[0]
    value.type = None
    found = stored(node_of(model, "Relu").inputs[0])
    assert found is not None
    assert found.dtype == ir.DataType.INT8
    assert found.initializer is None


def test_what_a_caller_can_override_is_no_initializer() -> None:
    model = net("w = DequantizeLinear<axis = 1>(q, s, z) y = MatMul(x, w)", inputs="float[2, 3] x", constants=GRID)
    found = stored(node_of(model, "MatMul").inputs[1])
    assert found is not None
    model.graph.inputs.append(found.codes)
    assert found.initializer is None


PRODUCT = "t, u, v = DynamicQuantizeLinear(x) i = MatMulInteger(t, q, v, z) f = Cast<to = 1>(i) p = Mul(u, s) "


def test_the_scale_of_a_matmul_integer_stands_behind_it() -> None:
    model = net(f"{PRODUCT} y = Mul(f, p)", inputs="float[2, 3] x", constants=GRID)
    assert names(stored_weight(node_of(model, "MatMulInteger"), 1)) == ("q", "s", "z")


def test_a_matmul_integer_whose_sums_go_elsewhere_has_no_grid() -> None:
    for rest in ("y = Add(f, p)", "y = Neg(f) o = Neg(p)"):
        model = net(PRODUCT + rest, inputs="float[2, 3] x", constants=GRID)
        assert stored_weight(node_of(model, "MatMulInteger"), 1) is None
