"""UnaryToLookup: a function between two grids becomes a table of all its codes."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.graph.read import constant
from edgeq.passes.place.unary_to_lookup import UnaryToLookup
from edgeq.runtimes.ort import open_session
from tests.graph_text import lines
from tests.qdq_toys import codes_net


def test_a_function_becomes_a_table_and_every_code_is_the_same() -> None:
    model = codes_net("af = DequantizeLinear(a, s, z) [f] g = Tanh(af) q = QuantizeLinear(g, s, z)", "int8[1, 2] q")
    original = model.clone()
    assert UnaryToLookup({"f"})(model).modified
    assert [node.op_type for node in model.graph] == ["Cast", "Gather"]
    codes = np.arange(-128, 128).astype(np.int8).reshape(-1, 1, 2)
    with open_session(original, optimize="off") as before, open_session(model, optimize="off") as after:
        for row in codes:
            feeds = {"a": row, "b": row}
            np.testing.assert_array_equal(after.run(feeds)[0], before.run(feeds)[0])
    assert not UnaryToLookup({"f"})(model).modified


def test_the_table_begins_with_code_zero_and_ends_with_minus_one() -> None:
    """ONNX's Gather counts negative indices from the end, so that codes need no offset."""
    model = codes_net("af = DequantizeLinear(a, s, z) [f] g = Abs(af) q = QuantizeLinear(g, t, z)", "int8[1, 2] q")
    UnaryToLookup({"f"})(model)
    assert lines(model) == ["f_index = Cast(a)", "q = Gather(f_table, f_index)"]
    table = constant(model.graph.initializers["f_table"])
    assert table is not None
    codes = [0, 3, 127, -128, -1]
    assert [int(table[code]) for code in codes] == [round(abs(code - 3) / 2) + 3 for code in codes]


@pytest.mark.parametrize(
    "body",
    [
        "af = DequantizeLinear(a, s, z) [g] g = Tanh(af) q = QuantizeLinear(g, s, z)",  # not named
        "af = DequantizeLinear(a, s, z) [f] g = Tanh(af) h = Relu(g) q = QuantizeLinear(h, s, z)",  # another reads it
        "af = DequantizeLinear(a, s, z) h = Neg(af) [f] g = Tanh(h) q = QuantizeLinear(g, s, z)",  # no codes before
    ],
)
def test_what_has_no_codes_at_both_ends_stays(body: str) -> None:
    assert not UnaryToLookup({"f"})(codes_net(body, "int8[1, 2] q")).modified


def test_a_dequantized_value_that_others_read_stays_for_them() -> None:
    body = "af = DequantizeLinear(a, s, z) [f] g = Tanh(af) q = QuantizeLinear(g, s, z) r = Neg(af)"
    model = codes_net(body, "int8[1, 2] q, float[1, 2] r")
    assert UnaryToLookup({"f"})(model).modified
    assert lines(model) == ["af = DequantizeLinear(a, s, z)", "f_index = Cast(a)", "q = Gather(f_table, f_index)", "r = Neg(af)"]


CHAIN = "af = DequantizeLinear(a, s, z) [f] g = Exp(af) q = QuantizeLinear(g, t, z) qf = DequantizeLinear(q, t, z) "


def test_two_tables_in_a_row_become_one() -> None:
    body = CHAIN + "[h] k = Tanh(qf) r = QuantizeLinear(k, s, z)"
    model = codes_net(body, "int8[1, 2] r")
    original = model.clone()
    assert UnaryToLookup({"f", "h"})(model).modified
    assert [node.op_type for node in model.graph] == ["Cast", "Gather"]
    with open_session(original, optimize="off") as before, open_session(model, optimize="off") as after:
        for row in np.arange(-128, 128).astype(np.int8).reshape(-1, 1, 2):
            np.testing.assert_array_equal(after.run({"a": row, "b": row})[0], before.run({"a": row, "b": row})[0])


def test_codes_between_two_tables_that_others_read_stay() -> None:
    model = codes_net(CHAIN + "[h] k = Tanh(qf) r = QuantizeLinear(k, s, z)", "int8[1, 2] r, int8[1, 2] q")
    assert UnaryToLookup({"f", "h"})(model).modified
    assert [node.op_type for node in model.graph] == ["Cast", "Gather", "Cast", "Gather"]


@pytest.mark.parametrize("function", ["Log", "Sqrt"])
def test_where_a_function_is_not_defined_the_nearest_number_counts(function: str) -> None:
    model = codes_net(f"af = DequantizeLinear(a, s, z) [f] g = {function}(af) q = QuantizeLinear(g, t, z)", "int8[1, 2] q")
    UnaryToLookup({"f"})(model)
    table = constant(model.graph.initializers["f_table"])
    assert table is not None
    assert len({int(table[code]) for code in range(-128, 4)}) == 1  # the zero point is 3


def test_codes_at_the_end_keep_the_shape_that_only_the_output_declares() -> None:
    model = codes_net("af = DequantizeLinear(a, s, z) [f] g = Tanh(af) q = QuantizeLinear(g, s, z)", "int8[1, 2] q")
    model.graph.node(1).outputs[0].shape = None
    assert UnaryToLookup({"f"})(model).modified
    assert list(model.graph.outputs[0].shape or []) == [1, 2]
