"""Model-local functions: counted before they are written out, and written out as they mean."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from edgeq.errors import BadModel
from edgeq.graph.read import graphs, nodes
from edgeq.io.load import load_proto
from edgeq.runtimes.ort import open_session

X = np.array([-2.0, 3.0], np.float32)


def proto(main: str, *functions: str, imports: str = '"" : 17, "f" : 1') -> onnx.ModelProto:
    lines = [f"<ir_version: 9, opset_import: [{imports}]> net {main}"]
    return onnx.parser.parse_model("\n".join([*lines, *(f'<domain: "f", opset_import: ["" : 17, "f" : 1]> {text}' for text in functions)]))


def doubling(count: int) -> onnx.ModelProto:
    """Functions that each call the next twice; the last is a Neg."""
    steps = [f"f{i} (v) => (w) {{ t = f.f{i + 1}(v)  w = f.f{i + 1}(t) }}" for i in range(count - 1)]
    return proto("(float[2] x) => (float[2] y) { y = f.f0(x) }", *steps, f"f{count - 1} (v) => (w) {{ w = Neg(v) }}")


def same_numbers(model: onnx.ModelProto, **feeds: np.ndarray) -> None:
    """The model without functions computes what ONNX's reference computes of it with them."""
    loaded = load_proto(model).model
    assert not loaded.functions and not any(node.domain == "f" for node in nodes(loaded))
    wanted = ReferenceEvaluator(model).run(None, feeds)
    with open_session(loaded) as session:
        for ours, theirs in zip(session.run(feeds), wanted, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_nested_functions_are_written_out_once_for_each_call() -> None:
    assert len(list(nodes(load_proto(doubling(11)).model))) == 1024


@pytest.mark.parametrize("count", [20, 40, 90])
def test_functions_that_would_grow_without_end_are_refused_before_they_do(count: int) -> None:
    with pytest.raises(BadModel, match=r"expand to \d+ nodes, more than 200000"):
        load_proto(doubling(count))


def test_functions_whose_constants_would_fill_the_memory_are_refused() -> None:
    model = doubling(14)
    constant = onnx.helper.make_node("Constant", [], ["c"], value=onnx.numpy_helper.from_array(np.zeros(1 << 16, np.float32)))
    model.functions[-1].node.insert(0, constant)
    with pytest.raises(BadModel, match=r"expand to \d+ bytes"):
        load_proto(model)


def test_functions_that_call_each_other_in_a_circle_are_refused() -> None:
    circle = ("a (v) => (w) { w = f.b(v) }", "b (v) => (w) { w = f.c(v) }", "c (v) => (w) { w = f.a(v) }")
    with pytest.raises(BadModel, match="calls itself"):
        load_proto(proto("(float[2] x) => (float[2] y) { y = f.a(x) }", *circle))


def test_functions_that_call_each_other_too_deeply_are_refused() -> None:
    chain = [f"f{i} (v) => (w) {{ w = f.f{i + 1}(v) }}" for i in range(3000)]
    with pytest.raises(BadModel, match="too deeply"):
        load_proto(proto("(float[2] x) => (float[2] y) { y = f.f0(x) }", *chain, "f3000 (v) => (w) { w = Neg(v) }"))


def test_attributes_of_the_call_and_their_defaults_are_bound() -> None:
    leaky = "leaky <alpha: float = 0.5> (v) => (w) { w = LeakyRelu<alpha: float = @alpha>(v) }"
    outer = "outer <alpha: float = 0.125> (v) => (w) { w = f.leaky<alpha: float = @alpha>(v) }"
    main = "(float[2] x) => (float[2] y, float[2] z, float[2] u) { y = f.leaky(x) z = f.leaky<alpha = 0.25>(x) u = f.outer(x) }"
    with open_session(load_proto(proto(main, leaky, outer)).model) as session:
        assert [found.tolist() for found in session.run({"x": X})] == [[-1.0, 3.0], [-0.5, 3.0], [-0.25, 3.0]]


def test_bodies_inside_a_function_keep_their_own_values() -> None:
    choose = """choose (v, c) => (w) {
        t = Neg(v)
        w = If(c) <then_branch = a () => (o) { o = f.twice(t) }, else_branch = b () => (o) { s = Add(t, v)  o = Sub(s, t) }>
    }"""
    twice = "twice (v) => (w) { t = Add(v, v)  w = Identity(t) }"
    main = "(float[2] x, bool c) => (float[2] y, float[2] t) { y = f.choose(x, c)  t = f.choose(y, c) }"
    for which, wanted in ((True, [[4.0, -6.0], [-8.0, 12.0]]), (False, [[-2.0, 3.0], [-2.0, 3.0]])):
        with open_session(load_proto(proto(main, choose, twice)).model) as session:
            assert [found.tolist() for found in session.run({"x": X, "c": np.array(which)})] == wanted


def test_an_input_that_a_function_hands_out_and_one_that_a_call_leaves_out() -> None:
    bounds = "bounds (v, low, high) => (w, same) { w = Clip(v, low, high)  same = Identity(v) }"
    main = "(float[2] x, float one) => (float[2] y, float[2] z, float[2] u) { y, z = f.bounds(x, , one)  u = f.itself(x) }"
    same_numbers(proto(main, bounds, "itself (v) => (v) { t = Neg(v) }"), x=X, one=np.array(1, np.float32))


def test_a_call_with_more_inputs_than_the_function_has_is_refused() -> None:
    with pytest.raises(BadModel, match="2 inputs"):
        load_proto(proto("(float[2] x) => (float[2] y) { y = f.one(x, x) }", "one (v) => (w) { w = Neg(v) }"))


def test_functions_called_in_a_body_are_written_out_there() -> None:
    main = """(float[2] x, bool c) => (float[2] y) {
        y = If(c) <then_branch = a () => (o) { o = f.neg(x) }, else_branch = b () => (p) { p = f.neg(x) }> }"""
    loaded = load_proto(proto(main, "neg (v) => (w) { w = Neg(v) }")).model
    assert [[node.op_type for node in graph] for graph in graphs(loaded)] == [["If"], ["Neg"], ["Neg"]]
