"""block:N in a file: the same floats, the bits it takes, and int8 codes where integers run."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.read import constant
from edgeq.numerics.formats.table import in_floats, parse_format
from edgeq.passes.store.materialize import Materialize
from edgeq.passes.store.store_formats import FormatStorage, StoreFormats
from edgeq.passes.store.store_reals import StoredReals, StoreReals
from edgeq.testing import check_pass
from tests.graph_text import net

SHAPE = (128, 96)


def _stored(size: int) -> StoredReals:
    rows = np.random.default_rng(2).normal(size=(1, SHAPE[1], SHAPE[0])).astype(np.float32)
    return StoredReals(in_floats(parse_format(f"block:{size}")).fit(rows, None, (SHAPE[0],)), 1)


def _model(fitted: StoredReals, opset: int) -> ir.Model:
    model = net("y = MatMul(x, w)", inputs="float[5, 128] x", outputs="float y", constants={"w": fitted.reals(SHAPE)}, opset=opset)
    model.graph[0].name = "layer"
    return model


@pytest.mark.parametrize(("opset", "size"), [(13, 32), (18, 64), (21, 128)])
def test_a_matrix_is_the_same_floats(opset: int, size: int) -> None:
    fitted = _stored(size)
    after = check_pass(StoreReals({"layer:1": fitted}), _model(fitted, opset), tolerance=0)
    assert Materialize()(after).modified
    assert np.array_equal(np.asarray(constant(after.graph.initializers["w"])), fitted.reals(SHAPE))


def test_the_file_holds_five_bits_a_number() -> None:
    fitted = _stored(32)
    model = _model(fitted, 21)
    StoreReals({"layer:1": fitted})(model)
    held = sum(-(-int(np.prod(value.shape.numpy())) * value.dtype.bitwidth // 8) for value in model.graph.initializers.values())  # type: ignore[union-attr]
    assert held == pytest.approx(5 / 8 * SHAPE[0] * SHAPE[1], abs=100)


def test_a_convolution_in_integers_keeps_its_int8_codes() -> None:
    chance = np.random.default_rng(0)
    form = parse_format("block:32")
    stored = form.fit(chance.normal(size=(1, 16, 64 * 9)).astype(np.float32), None, (64, 3, 3))
    grid = form.codes8(stored)
    assert grid is not None
    codes = grid.codes.reshape(16, 64, 3, 3).astype(np.int8)
    text = """q = QuantizeLinear(x, s, z)   d = DequantizeLinear(q, s, z)
              w_d = DequantizeLinear<axis = 0>(w, ws, wz)   [layer] c = Conv(d, w_d)   y = Relu(c)"""
    constants = {
        "s": np.float32(0.02), "z": np.uint8(0), "w": codes, "ws": grid.scale[0], "wz": np.zeros(16, np.int8)
    }  # fmt: skip
    model = net(text, inputs="float[1, 64, 6, 6] x", outputs="float y", constants=constants, opset=21)
    for node in model.graph:
        if node.op_type == "DequantizeLinear" and node.inputs[0] is not None and node.inputs[0].name == "w":
            node.name = "weights"
    after = check_pass(StoreFormats({"weights:0": FormatStorage(form, 0)}), model, tolerance=0)
    assert "Mul" in [node.op_type for node in after.graph]
    assert Materialize()(after).modified
    assert np.array_equal(np.asarray(constant(after.graph.initializers["w"])), codes)
