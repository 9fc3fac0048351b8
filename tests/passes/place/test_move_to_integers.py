"""MoveToIntegers: DequantizeLinear -> operator -> QuantizeLinear of one grid becomes the operator
on integers.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.read import constant, nodes
from edgeq.passes.place.move_to_integers import MoveToIntegers
from edgeq.runtimes.ort import open_session
from tests.graph_text import Constants, lines, net

X = np.random.default_rng(0).normal(size=(1, 2, 4, 4)).astype(np.float32)
GRID: Constants = {"s": 0.02, "z": np.uint8(120), "t": 0.03, "zero": 0.0, "one": 1.0, "half": 0.5, "minus": -3.0}
IN = "q = QuantizeLinear(x, s, z) f = DequantizeLinear(q, s, z) "
OUT = " h = QuantizeLinear(g, s, z) y = DequantizeLinear(h, s, z)"


def model_of(op: str, constants: Constants | None = None, *, before: str = IN, after: str = OUT, opset: int = 17) -> ir.Model:
    return net(f"{before}{op}{after}", inputs="float[1, 2, 4, 4] x", constants={**GRID, **(constants or {})}, opset=opset)


def run(model: ir.Model) -> list[np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
    with open_session(model, optimize="off", threads=1) as session:
        return session.run({"x": X})


PADS = np.array([0, 0, 1, 0, 0, 0, 0, 2])


@pytest.mark.parametrize(
    ("op", "after"),
    [
        ("[op] g = MaxPool<kernel_shape = [2, 2]>(f)", "h = MaxPool(q)"),
        ("[op] g = Transpose<perm = [0, 2, 3, 1]>(f)", "h = Transpose(q)"),
        ("[op] g = Relu(f)", "h = Clip(q, op_min, op_max)"),
        ("[op] g = Clip(f, zero, half)", "h = Clip(q, op_min, op_max)"),
        ("[op] g = Clip(f, , half)", "h = Clip(q, op_min, op_max)"),
        ("[op] g = Clip(f, minus)", "h = Clip(q, op_min, op_max)"),
        ("[op] g = Pad(f, p)", "h = Pad(q, p, op_fill)"),
        ("[op] g = Pad(f, p, zero)", "h = Pad(q, p, op_fill)"),
        ("[op] g = Pad(f, p, , a)", "h = Pad(q, p, op_fill, a)"),
        ("[op] g = Clip(f, half, one)", "h = Clip(q, op_min, op_max)"),
        ("[op] g = Pad(f, p, half)", "h = Pad(q, p, op_fill)"),
        ('[op] g = Pad<mode = "edge">(f, p)', "h = Pad(q, p)"),
        ("[op] g = Concat<axis = 1>(f, f)", "h = Concat(q, q)"),
    ],
)
def test_runs_on_the_integers_and_computes_the_same(op: str, after: str) -> None:
    opset = 18 if ", a)" in op else 17
    constants: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.int64]]] = {"p": PADS} if "Pad" in op else {}
    if ", a)" in op:
        constants["a"] = np.arange(4)
    model = model_of(op, constants, opset=opset)
    wanted = run(model)
    assert MoveToIntegers({"op"})(model).modified
    assert lines(model) == ["q = QuantizeLinear(x, s, z)", after, "y = DequantizeLinear(h, s, z)"]
    assert next(n for n in nodes(model) if n.name == "op").outputs[0].dtype == ir.DataType.UINT8
    assert np.array_equal(run(model)[0], wanted[0])
    assert not MoveToIntegers({"op"})(model).modified


def test_bounds_become_codes_of_the_grid() -> None:
    model = model_of("[op] g = Clip(f, minus, half)")
    MoveToIntegers({"op"})(model)
    low, high = (constant(model.graph.initializers[name]) for name in ("op_min", "op_max"))
    assert low is not None
    assert high is not None
    assert (low.dtype, int(low), int(high)) == (np.uint8, 0, 145)


@pytest.mark.parametrize(
    ("op", "after", "outputs"),
    [
        ("[op] y = ArgMax<axis = 3>(f)", ["y = ArgMax(q)"], "int64 y"),
        ("[op] y = ArgMin<axis = 1, keepdims = 0>(f)", ["y = ArgMin(q)"], "int64 y"),
        ("[op] g, i = TopK(f, k)" + OUT, ["h, i = TopK(q, k)", "y = DequantizeLinear(h, s, z)"], "float y, int64 i"),
        ("[op] g, i = TopK<largest = 0>(f, k)", [", i = TopK(q, k)"], "int64 i"),
    ],
)
def test_indices_are_those_of_the_codes(op: str, after: list[str], outputs: str) -> None:
    model = net(IN + op, inputs="float[1, 2, 4, 4] x", outputs=outputs, constants={**GRID, "k": np.array([2])})
    wanted = run(model)
    assert MoveToIntegers({"op"})(model).modified
    assert [line.replace("g, i", ", i") for line in lines(model)] == ["q = QuantizeLinear(x, s, z)", *after]
    assert all(np.array_equal(a, b) for a, b in zip(run(model), wanted, strict=True))
    assert not MoveToIntegers({"op"})(model).modified


def test_every_output_that_is_read_moves() -> None:
    split = "[op] g, k = Split<axis = 2>(f, parts)"
    after = OUT + " m = QuantizeLinear(k, s, z) o = DequantizeLinear(m, s, z)"
    model = net(IN + split + after, inputs="float[1, 2, 4, 4] x", outputs="float y, float o", constants={**GRID, "parts": np.array([1, 3])})
    wanted = run(model)
    assert MoveToIntegers({"op"})(model).modified
    assert "h, m = Split(q, parts)" in lines(model)
    assert all(np.array_equal(a, b) for a, b in zip(run(model), wanted, strict=True))


@pytest.mark.parametrize(
    ("op", "before", "after"),
    [
        ("[op] g = MaxPool<kernel_shape = [2, 2]>(f)", IN, " h = QuantizeLinear(g, t, z) y = DequantizeLinear(h, t, z)"),  # another grid
        ("[op] g = MaxPool<kernel_shape = [2, 2]>(x)", "", OUT),  # float comes in
        ("[op] g = MaxPool<kernel_shape = [2, 2]>(f)", IN, OUT + " u = Erf(g)"),  # float is read as well
        ("[op] g = Concat<axis = 1>(f, x)", IN, OUT),  # one input is float
        ("e = ReduceMax<keepdims = 0>(x) [op] g = Clip(f, zero, e)", IN, OUT),  # bounds are computed
        ("[op] g = Clip(f, one, half)", IN, OUT),  # bounds in the wrong order
    ],
)
def test_leaves_alone_what_is_not_surrounded_by_one_grid(op: str, before: str, after: str) -> None:
    model = net(
        before + op + after, inputs="float[1, 2, 4, 4] x", outputs="float y" + (", float u" if "u =" in after else ""), constants=GRID
    )
    found = lines(model)
    assert not MoveToIntegers({"op"})(model).modified
    assert lines(model) == found


def test_only_named_nodes_move() -> None:
    assert not MoveToIntegers({"other"})(model_of("[op] g = Relu(f)")).modified


def test_a_shared_dequantize_stays_for_its_other_readers() -> None:
    model = net(IN + "[op] g = Relu(f) u = Erf(f)" + OUT, inputs="float[1, 2, 4, 4] x", outputs="float y, float u", constants=GRID)
    wanted = run(model)
    assert MoveToIntegers({"op"})(model).modified
    assert "f = DequantizeLinear(q, s, z)" in lines(model)
    assert all(np.array_equal(a, b) for a, b in zip(run(model), wanted, strict=True))


def test_signed_integers_too() -> None:
    model = model_of("[op] g = Relu(f)", {"z": np.int8(-5)})
    wanted = run(model)
    assert MoveToIntegers({"op"})(model).modified
    assert next(n for n in nodes(model) if n.name == "op").outputs[0].dtype == ir.DataType.INT8
    assert np.array_equal(run(model)[0], wanted[0])


def test_codes_at_the_end_keep_the_shape_that_only_the_output_declares() -> None:
    model = model_of("[op] h = Relu(f)", after=" y = QuantizeLinear(h, s, z)")
    model.graph.node(2).outputs[0].shape = None
    assert MoveToIntegers({"op"})(model).modified
    assert list(model.graph.outputs[0].shape or []) == [1, 2, 4, 4]
