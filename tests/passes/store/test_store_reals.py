"""Float weights in number formats: the same floats after folding, and from materialize."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.graph.read import constant, nodes
from edgeq.numerics.arrays import F32
from edgeq.numerics.codebook import turned
from edgeq.numerics.formats.table import families, parse_format
from edgeq.passes.store.materialize import Materialize
from edgeq.passes.store.store_reals import StoredReals, StoreReals
from edgeq.runtimes.ort import open_session
from edgeq.testing import check_pass
from tests.graph_text import lines, net

NAMES = [name for name, one in families().items() if not one.sizes and one.stored_by is not None] + ["two_level:16"]
FLOATS = [name for name in NAMES if parse_format(name).compute == "float"]
SHAPES = [((24, 20, 3, 3), 0, "c = Conv(x, w)"), ((20, 24, 3, 3), 1, "c = ConvTranspose(x, w)"), ((16, 130), 1, "c = MatMul(x, w)")]


def _fitted(shape: tuple[int, ...], axis: int, name: str) -> StoredReals:
    front = turned(shape, axis)
    rows = np.random.default_rng(2).normal(size=(1, front[0], int(np.prod(front[1:])))).astype(np.float32)
    return StoredReals(parse_format(name).fit(rows, None, front[1:]), axis)


def _model(shape: tuple[int, ...], body: str, weight: F32, opset: int) -> ir.Model:
    inputs = "float[1, 20, 8, 8] x" if len(shape) == 4 else f"float[5, {shape[0]}] x"
    model = net(f"{body} y = Relu(c)", inputs=inputs, outputs="float y", constants={"w": weight}, opset=opset)
    model.graph[0].name = "layer"
    return model


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("opset", [13, 18, 21])
@pytest.mark.parametrize(("shape", "axis", "body"), SHAPES)
def test_weights_are_the_same_floats(name: str, opset: int, shape: tuple[int, ...], axis: int, body: str) -> None:
    fitted = _fitted(shape, axis, name)
    weight = fitted.reals(shape)
    model = _model(shape, body, weight, opset)
    after = check_pass(StoreReals({"layer:1": fitted}), model, tolerance=0)
    kept = sum(value.const_value.nbytes for value in after.graph.initializers.values() if value.const_value is not None)
    assert kept < fitted.stored.nbytes + 2500  # and two tables of 256 floats
    assert Materialize()(after).modified
    if fitted.stored.format.compute == "float":
        assert lines(after) == lines(model)
        assert np.array_equal(np.asarray(constant(after.graph.initializers["w"])), weight)


@pytest.mark.parametrize("name", FLOATS)
def test_other_readers_of_the_weight_share_its_nodes(name: str) -> None:
    fitted = _fitted((16, 130), 1, name)
    model = _model((16, 130), "c = MatMul(x, w)  t = Transpose(w)  d = MatMul(c, t)", fitted.reals((16, 130)), 18)
    after = check_pass(StoreReals({"layer:1": fitted}), model, tolerance=0)
    assert "w" not in after.graph.initializers
    assert [line for line in lines(after) if line.startswith("w = ")]


@pytest.mark.parametrize("name", ["mxfp8_e4m3", "mxfp8_e5m2"])
def test_eight_bit_floats_can_have_types_of_their_own(name: str) -> None:
    fitted = _fitted((64, 128), 1, name)
    model = _model((64, 128), "c = MatMul(x, w)", fitted.reals((64, 128)), 18)
    model.opset_imports[""], model.ir_version = 24, 12
    assert StoreReals({"layer:1": fitted}, typed=True)(model).modified
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    kinds = {value.dtype for value in model.graph.initializers.values()}
    assert ir.DataType.FLOAT8E8M0 in kinds
    assert {ir.DataType.FLOAT8E4M3FN, ir.DataType.FLOAT8E5M2} & kinds
    assert not any(node.op_type == "Gather" for node in nodes(model))
    plain = _model((64, 128), "c = MatMul(x, w)", fitted.reals((64, 128)), 18)
    feeds = {"x": np.random.default_rng(0).normal(size=(5, 64)).astype(np.float32)}
    with open_session(model, threads=1) as session, open_session(plain, threads=1) as other:
        assert np.array_equal(session.run(feeds)[0], other.run(feeds)[0])
    assert Materialize()(model).modified
    assert lines(model) == lines(plain)
    assert np.array_equal(np.asarray(constant(model.graph.initializers["w"])), fitted.reals((64, 128)))


def test_types_of_their_own_wait_for_their_opset() -> None:
    fitted = _fitted((64, 128), 1, "mxfp8_e4m3")
    model = _model((64, 128), "c = MatMul(x, w)", fitted.reals((64, 128)), 18)
    assert StoreReals({"layer:1": fitted}, typed=True)(model).modified
    assert any(node.op_type == "Gather" for node in nodes(model))


def test_numbers_that_are_not_those_of_the_format_stay() -> None:
    fitted = _fitted((16, 130), 1, "mxfp8_e4m3")
    weight = fitted.reals((16, 130))
    weight[3, 5] += 2.0**-20
    assert not StoreReals({"layer:1": fitted})(_model((16, 130), "c = MatMul(x, w)", weight, 18)).modified
    small = _fitted((4, 6), 1, "mx9")
    assert not StoreReals({"layer:1": small})(_model((4, 6), "c = MatMul(x, w)", small.reals((4, 6)), 18)).modified


@pytest.mark.parametrize("name", FLOATS)
def test_numbers_at_the_ends_of_float32_are_kept(name: str) -> None:
    weight = np.ones((64, 64), np.float32)
    weight[:, 0] = 2.0**-126
    weight[:, 1] = 2.0**127
    weight[:, 2] = 0
    fitted = StoredReals(parse_format(name).fit(np.ascontiguousarray(weight.T)[None], None, (64,)), 1)
    reals = fitted.reals((64, 64))
    assert np.isfinite(reals).all()
    assert np.array_equal(reals[:, 1:3], weight[:, 1:3])
    model = _model((64, 64), "c = MatMul(x, w)", reals, 21)
    assert StoreReals({"layer:1": fitted})(model).modified
    assert Materialize()(model).modified
    assert np.array_equal(np.asarray(constant(model.graph.initializers["w"])), reals)
