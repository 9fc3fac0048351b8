"""int8 weights in MXFP4, MX4 and MX6: the same codes and the same kernels after folding."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.read import constant, nodes
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.formats.table import parse_format
from edgeq.passes.store.materialize import Materialize
from edgeq.passes.store.store_formats import FormatStorage, StoreFormats
from edgeq.proof.read_back import read_back
from edgeq.testing import check_pass
from tests.graph_text import lines, net

BODY = """q = QuantizeLinear(x, s, z)  d = DequantizeLinear(q, s, z)  wd = DequantizeLinear<axis = 0>(w, ws, wz)
          c = {op}(d, wd)  qc = QuantizeLinear(c, t, z)  y = DequantizeLinear(qc, t, z)"""
NAMES = pytest.mark.parametrize("name", ["mxfp4", "mx4", "mx6"])
OPSETS = pytest.mark.parametrize("opset", [13, 18, 21])


def _model(name: str, opset: int, shape: tuple[int, ...] = (48, 40, 3, 3)) -> tuple[ir.Model, AnyArray]:
    """A quantized convolution whose weight has the form of the format, and its int8 codes."""
    rows = np.random.default_rng(2).normal(size=(1, shape[0], int(np.prod(shape[1:])))).astype(np.float32)
    form = parse_format(name)
    grid = form.codes8(form.fit(rows, None, shape[1:]))
    assert grid is not None
    codes = grid.codes.reshape(shape).astype(np.int8)
    constants = {"s": np.float32(0.03), "t": np.float32(0.4), "z": np.uint8(120), "w": codes}
    constants |= {"ws": grid.scale[0], "wz": np.zeros(shape[0], np.int8)}
    model = net(BODY.format(op="Conv"), inputs=f"float[1, {shape[1]}, 8, 8] x", outputs="float y", constants=constants, opset=opset)
    next(node for node in nodes(model) if node.op_type == "Conv").name = "layer"
    return model, codes


@NAMES
@OPSETS
def test_codes_are_the_same_and_so_are_the_kernels(name: str, opset: int) -> None:
    model, codes = _model(name, opset)
    before = lines(model)
    storage = StoreFormats({"layer:1": FormatStorage(parse_format(name), 0)})
    after = check_pass(storage, model, tolerance=0)
    plain, folded = (Counter(kernel.op_type for kernel in read_back(one).kernels.values()) for one in (model, after))
    assert plain == folded
    assert plain["QLinearConv"] == 1
    assert Materialize()(after).modified
    assert lines(after) == before
    assert np.array_equal(np.asarray(constant(after.graph.initializers["w"])), codes)


@NAMES
def test_a_matrix_of_odd_width_has_its_channels_last(name: str) -> None:
    rows = np.random.default_rng(2).normal(size=(1, 500, 75)).astype(np.float32)
    form = parse_format(name)
    grid = form.codes8(form.fit(rows, None, (75,)))
    assert grid is not None
    codes = np.ascontiguousarray(grid.codes[0].T).astype(np.int8)
    constants = {
        "s": np.float32(0.03),
        "t": np.float32(0.4),
        "z": np.uint8(120),
        "w": codes,
        "ws": grid.scale[0],
        "wz": np.zeros(500, np.int8),
    }
    body = BODY.format(op="MatMul").replace("axis = 0", "axis = 1")
    model = net(body, inputs="float[5, 75] x", outputs="float y", constants=constants, opset=21)
    next(node for node in nodes(model) if node.op_type == "MatMul").name = "layer"
    after = check_pass(StoreFormats({"layer:1": FormatStorage(form, 1)}), model, tolerance=0)
    assert len(lines(after)) > len(lines(model))
    assert Materialize()(after).modified
    assert np.array_equal(np.asarray(constant(after.graph.initializers["w"])), codes)


@NAMES
def test_the_file_holds_the_stored_bits_and_little_more(name: str) -> None:
    model, codes = _model(name, 21, (64, 128, 3, 3))
    StoreFormats({"layer:1": FormatStorage(parse_format(name), 0)})(model)
    held = sum(-(-np.prod(value.shape.numpy()) * value.dtype.bitwidth // 8) for value in model.graph.initializers.values())  # type: ignore[union-attr]
    expected = parse_format(name).nominal_bits * codes.size / 8 + 64 * 5
    assert abs(held - expected) < 0.01 * expected


@NAMES
def test_codes_without_the_form_stay(name: str) -> None:
    model, codes = _model(name, 21)
    changed = codes.copy()
    changed[0, :3, 0, 0] = (127, 1, 5)
    model.graph.initializers["w"].const_value = ir.Tensor(changed, name="w")
    assert not StoreFormats({"layer:1": FormatStorage(parse_format(name), 0)})(model).modified
