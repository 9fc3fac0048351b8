"""Work grows in proportion to the nodes: twice the layers make at most 2.2 times the calls.

Calls of functions are counted, and resumed generators among them, so that a walk over the whole
model at each node shows; no clock is read.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.graph.names import unique_names
from edgeq.io.load import Loaded, load_proto
from edgeq.numerics.arrays import F32
from edgeq.report.inspection import inspect_model
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import load_target
from tests.graph_text import weights

#: layers of the smaller chain; the larger one has twice as many
LAYERS = 24
#: how many times the calls may be with twice the nodes
AT_MOST = 2.2


def _constant(name: str, array: F32) -> ir.Value:
    tensor = ir.Tensor(np.asarray(array, np.float32), name=name)
    return ir.Value(name=name, type=ir.TensorType(tensor.dtype), shape=ir.Shape(array.shape), const_value=tensor)


def _convs(layers: int, same_name: bool = False) -> ir.Model:
    """Conv, Relu and Add around both, over and over: as many values with two readers as layers."""
    value = ir.Value(name="x", type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape(["N", 4, 6, 6]))
    inputs, made, held = [value], list[ir.Node](), list[ir.Value]()
    for index in range(layers):
        weight = _constant(f"w{index}", 0.3 * weights(4, 4, 3, 3, seed=index))
        name = "same" if same_name else f"conv{index}"
        conv = ir.Node("", "Conv", [value, weight], [ir.AttrInt64s("pads", [1] * 4)], name=name)
        relu = ir.Node("", "Relu", [conv.outputs[0]], name=name.replace("conv", "relu"))
        add = ir.Node("", "Add", [value, relu.outputs[0]], name=name.replace("conv", "add"))
        for node, out in ((conv, "c"), (relu, "r"), (add, "a")):
            node.outputs[0].name = f"{out}{index}"
        held, made, value = [*held, weight], [*made, conv, relu, add], add.outputs[0]
    value.type, value.shape = inputs[0].type, inputs[0].shape
    return ir.Model(ir.Graph(inputs, [value], nodes=made, initializers=held, opset_imports={"": 17}, name="chain"), ir_version=9)


def _same_names(layers: int) -> ir.Model:
    return _convs(layers, same_name=True)


def _products(layers: int) -> ir.Model:
    """MatMuls and Adds of constants: what preparation makes Gemms of, and folds."""
    value = ir.Value(name="x", type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape(["N", 32]))
    inputs, made, held = [value], list[ir.Node](), list[ir.Value]()
    for index in range(layers):
        weight = _constant(f"w{index}", weights(32, 32, seed=index))
        bias = _constant(f"b{index}", weights(32, seed=index))
        product = ir.Node("", "MatMul", [value, weight], name=f"mul{index}")
        add = ir.Node("", "Add", [product.outputs[0], bias], name=f"add{index}")
        relu = ir.Node("", "Relu", [add.outputs[0]], name=f"relu{index}")
        for node, out in ((product, "m"), (add, "a"), (relu, "r")):
            node.outputs[0].name = f"{out}{index}"
        held, made, value = [*held, weight, bias], [*made, product, add, relu], relu.outputs[0]
    value.type, value.shape = inputs[0].type, inputs[0].shape
    return ir.Model(ir.Graph(inputs, [value], nodes=made, initializers=held, opset_imports={"": 17}, name="chain"), ir_version=9)


def _calls(work: Callable[[], object]) -> int:
    """How many functions were called in this thread, Python's and those written in C."""
    count = 0

    def counted(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def _loaded(model: ir.Model) -> Loaded:
    return load_proto(model)


def _inspected(model: ir.Model) -> None:
    inspect_model(_loaded(model), load_target("cpu"))


def _quantized(model: ir.Model) -> None:
    shape = [2, *(size for size in model.graph.inputs[0].shape or () if isinstance(size, int))]
    x = np.random.default_rng(0).random(shape, dtype=np.float32)
    quantize(_loaded(model).model, {"x": x}, recipe=Recipe(effort="fast"), prove=False)


@pytest.mark.parametrize("make", [_convs, _same_names, _products])
@pytest.mark.parametrize("work", [_inspected, _quantized])
def test_twice_the_nodes_make_twice_the_calls(make: Callable[[int], ir.Model], work: Callable[[ir.Model], None]) -> None:
    work(make(2))  # what is imported or cached once
    few, many = (make(layers) for layers in (LAYERS, 2 * LAYERS))
    assert _calls(lambda: work(many)) <= AT_MOST * _calls(lambda: work(few))


def test_the_count_sees_a_walk_at_each_node() -> None:
    def walks(model: ir.Model) -> None:
        for _ in model.graph:
            unique_names(model)

    few, many = (_convs(layers) for layers in (LAYERS, 2 * LAYERS))
    assert _calls(lambda: walks(many)) > 3 * _calls(lambda: walks(few))
