"""StraightLines: equal lines are known to be equal, and nothing else is taken for one."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.patterns.regions import MAX_NODES, regions_behind, walk_order
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
    known = StraightLines(lambda node: node.op_type != "MatMul", walk_order(model))
    makers = [output.producer() for output in model.graph.outputs]
    return [known.line(maker) for maker in makers if maker is not None]


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


def chain(length: int, *op_types: str) -> ir.Model:
    """Nodes of these types in turn, one behind the other: n0, n1, ..."""
    last, body = "x", ""
    for index in range(length):
        body += f"n{index} = {op_types[index % len(op_types)]}({last}) "
        last = f"n{index}"
    return net(f"{body} y = Sin({last})")


def test_a_line_of_a_long_chain_is_its_last_nodes_whoever_asks_first() -> None:
    model = chain(60, "Exp", "Neg", "Tanh")
    order = walk_order(model)
    at_once, one_by_one = (StraightLines(lambda _: True, order) for _ in range(2))
    made = list(order)
    backward = [at_once.line(node) for node in reversed(made)][::-1]
    forward = [one_by_one.line(node) for node in made]
    assert [len(line or ()) for line in forward] == [len(line or ()) for line in backward] == [min(n + 1, MAX_NODES) for n in range(61)]
    assert backward[50] == backward[47] != backward[49]
    assert forward[50] == forward[47] != forward[49]


def test_two_nodes_go_on_from_one_and_each_has_its_own_line() -> None:
    body = "a = Exp(x) b = Neg(a) c = Tanh(b) d = Sin(b) e = Cos(d) f = Cos(c) y = Add(e, f) z = Neg(f)"
    model = net(body, outputs="float y, float z")
    lines_of = StraightLines(lambda _: True, walk_order(model))
    found = {str(node.name or node.outputs[0].name): lines_of.line(node) for node in nodes(model)}
    by_output = {str(node.outputs[0].name): lines_of.line(node) for node in nodes(model)}
    assert list(found.values()) == list(by_output.values())
    shared = by_output["b"]
    assert shared is not None
    for name in ("c", "d", "e", "f"):
        line = by_output[name]
        assert line is not None
        assert line[:2] == shared
    assert by_output["c"] != by_output["d"]
    assert by_output["y"] is None


@pytest.mark.parametrize("size", [1, 3, 5])
def test_the_region_of_a_line_is_the_one_that_the_search_finds(size: int) -> None:
    model = net("a = Exp(x) b = Mul(two, a) c = Add(b, row) d = Neg(c) y = Sub(three, d)", constants=NUMBERS)
    order = walk_order(model)
    last = list(order)[-1]
    lines_of = StraightLines(lambda _: True, order)
    lines_of.line(last)
    searched = next(region for region in regions_behind(last, lambda _: True, order) if len(region.nodes) == size)
    made = lines_of.region(last, size)
    assert (made.source, made.last, made.nodes, made.constants) == (searched.source, searched.last, searched.nodes, searched.constants)


def test_a_node_that_gets_another_reader_is_in_another_line_from_then_on() -> None:
    model = net("a = Exp(x) b = Neg(a) c = Tanh(b) y = Sin(c) d = Cos(x) z = Mul(d, three)", outputs="float y, float z", constants=NUMBERS)
    by_name = {str(node.outputs[0].name): node for node in nodes(model)}
    lines_of = StraightLines(lambda _: True, walk_order(model))
    before = lines_of.line(by_name["y"])
    by_name["z"].replace_input_with(1, by_name["b"].outputs[0])
    lines_of.renew(by_name["b"])
    after = lines_of.line(by_name["y"])
    assert before is not None
    assert after is not None
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False, True, True]


def test_every_one_of_equal_lines_is_replaced_alike() -> None:
    """Min, written with Neg and Relu, sixty times: the memory of lines must not go stale."""
    last, body = "x", ""
    for index in range(60):
        body += f"a{index} = Neg({last}) b{index} = Relu(a{index}) c{index} = Neg(b{index}) e{index} = Exp(c{index}) "
        last = f"e{index}"
    model = net(f"{body} y = Neg({last})")
    assert FuseFunctions()(model).modified
    left = [node.op_type for node in nodes(model)]
    assert left.count("Exp") == 60
    assert left.count("Relu") == 0
