"""StraightLines: equal lines are known to be equal, and nothing else is taken for one."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.graph.patterns.regions import walk_order
from edgeq.graph.read import nodes
from edgeq.passes.prepare.recognize.fuse_functions import FuseFunctions
from edgeq.passes.prepare.recognize.straight_lines import StraightLines
from tests.graph_text import Constants, lines, net

NUMBERS: Constants = {
    "two": 2.0,
    "same": 2.0,
    "three": 3.0,
    "row": np.full(16, 2.0, np.float32),
    "varied": np.arange(16, dtype=np.float32),
}


def two_lines(body: str) -> list[tuple[int, ...] | None]:
    """The lines that end in the outputs y and z."""
    model = net(body, outputs="float y, float z", constants=NUMBERS)
    known, order = StraightLines(), walk_order(model)
    makers = [output.producer() for output in model.graph.outputs]
    return [known.line(maker, lambda node: node.op_type != "MatMul", order) for maker in makers if maker is not None]


def test_the_same_nodes_and_numbers_are_one_line() -> None:
    first, second = two_lines("a = Exp(x) b = Mul(a, two) y = Neg(b) c = Exp(x) d = Mul(c, same) z = Neg(d)")
    assert first is not None
    assert first == second


@pytest.mark.parametrize(
    "other",
    [
        "d = Mul(c, three)",  # another number
        "d = Mul(c, row)",  # the number as a row: it could change the shape of what it meets
        "d = Mul(c, varied)",  # no one number
        "d = Mul(two, c)",  # another place
        "d = Mul(c, c)",  # read twice
        "d = Elu<alpha = 0.5>(c)",
    ],
)
def test_another_node_makes_another_line(other: str) -> None:
    first, second = two_lines(f"a = Exp(x) b = Mul(a, two) y = Neg(b) c = Exp(x) {other} z = Neg(d)")
    assert second is not None
    assert first != second


def test_an_attribute_and_a_second_reader_make_another_line() -> None:
    first, second = two_lines("a = Elu<alpha = 0.5>(x) y = Neg(a) b = Elu<alpha = 0.25>(x) z = Neg(b)")
    assert first != second
    first, second = two_lines("a = Exp(x) y = Neg(a) b = Exp(x) c = Neg(b) d = MatMul(b, c) z = Add(d, three)")
    assert first != second


def test_nodes_that_read_two_values_are_in_no_line() -> None:
    assert two_lines("a = Exp(x) y = Add(a, x) b = Neg(y) z = Exp(b)") == [None, None]


def test_functions_in_a_row_are_all_found_and_lines_between_them_do_not_hide_them() -> None:
    """What is barren at one place is so at every other, and a function found changes lines."""
    numbers: Constants = {"zero": 0.0}
    body, last = "", "x"
    for index in range(4):
        body += f"s{index} = Sin({last}) c{index} = Cos(s{index}) a{index} = Max(c{index}, zero) "
        last = f"a{index}"
    model = net(f"{body} y = Neg({last})", constants=numbers)
    assert FuseFunctions()(model).modified
    assert [node.op_type for node in nodes(model) if node.op_type in ("Max", "Relu")] == ["Relu"] * 4
    assert not FuseFunctions()(model).modified
    assert lines(model)[-1].startswith("y = Neg")
