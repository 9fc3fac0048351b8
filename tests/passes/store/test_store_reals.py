"""Float weights in number formats: the same floats after folding, and from materialize."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.graph.read import constant
from edgeq.numerics.arrays import F32
from edgeq.numerics.codebook import turned
from edgeq.numerics.formats.table import families, parse_format
from edgeq.passes.store.materialize import Materialize
from edgeq.passes.store.store_formats import FormatStorage
from edgeq.passes.store.store_reals import StoreReals
from edgeq.testing import check_pass
from tests.graph_text import lines, net

FLOATS = [name for name, one in families().items() if not one.sizes and parse_format(name).compute == "float"]
SHAPES = [((24, 20, 3, 3), 0, "c = Conv(x, w)"), ((20, 24, 3, 3), 1, "c = ConvTranspose(x, w)"), ((16, 130), 1, "c = MatMul(x, w)")]


def _exact(shape: tuple[int, ...], axis: int, name: str) -> F32:
    """Numbers that have the form of the format."""
    front = turned(shape, axis)
    rows = np.random.default_rng(2).normal(size=(1, front[0], int(np.prod(front[1:])))).astype(np.float32)
    numbers = parse_format(name).fit(rows, None, front[1:]).real.reshape(front)
    return np.ascontiguousarray(np.moveaxis(numbers, 0, axis))


def _model(shape: tuple[int, ...], body: str, weight: F32, opset: int) -> ir.Model:
    inputs = "float[1, 20, 8, 8] x" if len(shape) == 4 else f"float[5, {shape[0]}] x"
    model = net(f"{body} y = Relu(c)", inputs=inputs, outputs="float y", constants={"w": weight}, opset=opset)
    model.graph[0].name = "layer"
    return model


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("opset", [13, 18, 21])
@pytest.mark.parametrize(("shape", "axis", "body"), SHAPES)
def test_weights_are_the_same_floats(name: str, opset: int, shape: tuple[int, ...], axis: int, body: str) -> None:
    weight = _exact(shape, axis, name)
    model = _model(shape, body, weight, opset)
    before = lines(model)
    after = check_pass(StoreReals({"layer:1": FormatStorage(parse_format(name), axis)}), model, tolerance=0)
    kept = sum(value.const_value.nbytes for value in after.graph.initializers.values() if value.const_value is not None)
    columns = weight.size // weight.shape[axis]
    padded = -(-columns // 32) * 32 / columns
    assert kept < weight.nbytes * parse_format(name).nominal_bits / 32 * padded + 2500  # and two tables of 256 floats
    assert Materialize()(after).modified
    assert lines(after) == before
    stored = constant(after.graph.initializers["w"])
    assert stored is not None
    assert stored.dtype == np.float32
    assert stored.tobytes() == (weight + np.float32(0)).tobytes() or np.array_equal(stored, weight)


def test_numbers_that_are_not_of_the_format_stay() -> None:
    weight = _exact((16, 130), 1, "mxfp8_e4m3")
    weight[3, 5] = 1 + 2.0**-20
    model = _model((16, 130), "c = MatMul(x, w)", weight, 18)
    assert not StoreReals({"layer:1": FormatStorage(parse_format("mxfp8_e4m3"), 1)})(model).modified
    assert not StoreReals({"layer:1": FormatStorage(parse_format("mxfp4"), 1)})(model).modified  # int8 codes have their own pass
    small = _model((4, 6), "c = MatMul(x, w)", _exact((4, 6), 1, "mx9"), 18)
    assert not StoreReals({"layer:1": FormatStorage(parse_format("mx9"), 1)})(small).modified


def test_numbers_at_the_ends_of_the_scales_are_kept() -> None:
    weight = np.ones((64, 64), np.float32)
    weight[:, 0] = 2.0**-126
    weight[:, 1] = 2.0**127
    weight[:, 2] = 0
    for name in FLOATS:
        model = _model((64, 64), "c = MatMul(x, w)", weight, 21)
        assert StoreReals({"layer:1": FormatStorage(parse_format(name), 1)})(model).modified, name
        onnx.checker.check_model(ir.to_proto(model), full_check=True)
        assert Materialize()(model).modified
        assert np.array_equal(np.asarray(constant(model.graph.initializers["w"])), weight)
