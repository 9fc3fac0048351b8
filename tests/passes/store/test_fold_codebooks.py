"""Codebooks in the graph: each form at its lowest opset, folded by onnxruntime to integer kernels,
and undone by materialize.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import pytest
from numpy.typing import NDArray

from edgeq.graph.read import nodes
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.codebook import Grain, parse_grain
from edgeq.numerics.packing import PARTS
from edgeq.passes.store.fold_codebooks import FoldCodebooks, Storage
from edgeq.passes.store.materialize import Materialize
from edgeq.proof.read_back import read_back
from edgeq.runtimes.ort import Optimize, open_session
from tests.graph_text import lines

Ints = NDArray[np.int8]
CHANNELS = 21
#: rows of 3 x 7 weights a channel: 441 in all, a multiple of no number of indices in a byte
SHAPE = (CHANNELS, 3, 7, 1)

CONV = """<ir_version: {ir}, opset_import: ["": {opset}]>
net (float[1, 3, 9, 4] x) => (float[1, 21, 3, 4] y)
  <float s = {{0.02}}, uint8 z = {{128}}, float t = {{0.05}}, int8 wz = {{0}}, float ws = {{0.01}}> {{
  q = QuantizeLinear(x, s, z)  d = DequantizeLinear(q, s, z)  wd = DequantizeLinear(w, ws, wz)
  [conv] c = Conv(d, wd)  qc = QuantizeLinear(c, t, z)  y = DequantizeLinear(qc, t, z) }}"""


def values_of(bits: int, grain: Grain, seed: int = 0) -> Ints:
    """Weights with 2^bits different values in each table's part."""
    rng = np.random.default_rng(seed)
    if grain.vector > 1:
        entries = rng.integers(-60, 61, (2**bits, grain.vector))
        return entries[rng.integers(0, 2**bits, int(np.prod(SHAPE)) // grain.vector)].reshape(SHAPE).astype(np.int8)
    run = CHANNELS if grain.channels is None else grain.channels
    parts = [
        rng.choice(rng.permutation(127)[: 2**bits] - 63, (min(run, CHANNELS - start), *SHAPE[1:])) for start in range(0, CHANNELS, run)
    ]
    return np.concatenate(parts).astype(np.int8)


def conv(weight: Ints, opset: int) -> ir.Model:
    proto = onnx.parser.parse_model(CONV.format(opset=opset, ir=11 if opset > 22 else 10))
    proto.graph.initializer.append(onnx.numpy_helper.from_array(weight, "w"))
    return ir.from_proto(proto)


def folded(weight: Ints, opset: int, bits: int, grain: Grain, uint2: bool = False) -> ir.Model:
    """The model with its codebook, whatever it costs."""
    model = conv(weight, opset)
    assert FoldCodebooks({"conv:1": Storage(grain, 0, bits)}, uint2)(model).modified
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    return model


def run(model: ir.Model, optimize: Optimize = "all") -> AnyArray:
    feeds = {"x": np.random.default_rng(5).normal(size=(1, 3, 9, 4)).astype(np.float32)}
    with open_session(model, optimize=optimize, threads=1) as session:
        return session.run(feeds)[0]


@pytest.fixture(autouse=True)
def small_tables_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights here are tiny, so that every form is quick; only the form matters."""
    monkeypatch.setattr("edgeq.passes.store.fold_codebooks.NODES_BYTES", -(10**6))


@pytest.mark.parametrize("opset", [13, 18, 21])
@pytest.mark.parametrize("bits", sorted(PARTS))
@pytest.mark.parametrize("word", ["tensor", "channel", "group:7", "group:4", "vector:3"])
def test_every_form_runs_as_the_plain_weight_does(opset: int, bits: int, word: str) -> None:
    grain = parse_grain(word)
    weight = values_of(bits, grain)
    model = folded(weight, opset, bits, grain)
    for optimize in ("all", "off"):
        assert np.array_equal(run(model, optimize), run(conv(weight, opset), optimize)), optimize
    kernels = [kernel.op_type for kernel in read_back(model).kernels.values()]
    assert "QLinearConv" in kernels
    assert set(kernels) <= {"QLinearConv", "QuantizeLinear", "DequantizeLinear"}
    assert Materialize()(model).modified
    assert np.array_equal(model.graph.initializers["w"].const_value.numpy(), weight)  # type: ignore[union-attr]
    assert lines(model) == lines(conv(weight, opset))


def test_vectors_run_along_the_channels_of_any_axis() -> None:
    rng = np.random.default_rng(0)
    entries = rng.normal(size=(4, 2)).astype(np.float32)
    weight = np.ascontiguousarray(entries[rng.integers(0, 4, (5, 3))].reshape(5, 6).T)  # MatMul: channels last
    proto = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 13]> net (float[2, 6] x) => (float[2, 5] y) { [fc] y = MatMul(x, w) }'
    )
    proto.graph.initializer.append(onnx.numpy_helper.from_array(weight, "w"))
    model, plain = ir.from_proto(proto), ir.from_proto(proto)
    assert FoldCodebooks({"fc:1": Storage(Grain(None, 2), 1, 2)})(model).modified
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    feeds = {"x": rng.normal(size=(2, 6)).astype(np.float32)}
    with open_session(model, threads=1) as session, open_session(plain, threads=1) as other:
        assert np.array_equal(session.run(feeds)[0], other.run(feeds)[0])
    Materialize()(model)
    assert np.array_equal(model.graph.initializers["w"].const_value.numpy(), weight)  # type: ignore[union-attr]


def test_two_bits_in_the_type_of_opset_25() -> None:
    weight = values_of(2, Grain())
    model = folded(weight, 25, 2, Grain(), uint2=True)
    stored = [value.dtype for value in model.graph.initializers.values()]
    assert ir.DataType.UINT2 in stored
    with open_session(model, threads=1) as session:
        assert session.outputs == ("y",)
    Materialize()(model)
    assert np.array_equal(model.graph.initializers["w"].const_value.numpy(), weight)  # type: ignore[union-attr]


def test_operators_belong_to_the_opset() -> None:
    def operators(opset: int) -> set[str]:
        return {node.op_type for node in nodes(folded(values_of(4, Grain()), opset, 4, Grain()))} - {"QuantizeLinear", "DequantizeLinear"}

    assert operators(13) == {"Cast", "Div", "Mod", "Reshape", "Slice", "Gather", "Conv"}
    assert operators(18) == {"Cast", "BitShift", "BitwiseAnd", "Reshape", "Slice", "Gather", "Conv"}
    assert operators(21) == {"Cast", "Gather", "Conv"}


def test_a_codebook_that_saves_nothing_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeq.passes.store.fold_codebooks.NODES_BYTES", 450)
    model = conv(values_of(4, Grain()), 21)
    assert not FoldCodebooks({"conv:1": Storage(Grain(), 0, 4)})(model).modified


def test_more_values_than_the_bits_hold_stay() -> None:
    model = conv(values_of(5, Grain()), 21)
    assert not FoldCodebooks({"conv:1": Storage(Grain(), 0, 4)})(model).modified


BODIES = """<ir_version: 10, opset_import: ["": {opset}]>
net (float[1, 8] x, bool c) => (float[1, 8] y) <float s = {{0.02}}, uint8 z = {{128}}, int8 wz = {{0}}, float ws = {{0.01}}> {{
  q = QuantizeLinear(x, s, z)  d = DequantizeLinear(q, s, z)  wd = DequantizeLinear(w, ws, wz)
  [outer] a = MatMul(d, wd)  qa = QuantizeLinear(a, s, z)
  y = If (c) <
    then_branch = t () => (float[1, 8] tv) {{ ti = DequantizeLinear(qa, s, z)  td = DequantizeLinear(w, ws, wz)
                                              [inner] tm = MatMul(ti, td)
                                              tq = QuantizeLinear(tm, s, z)
                                              tv = DequantizeLinear(tq, s, z) }},
    else_branch = e () => (float[1, 8] ev) <int8[8, 8] own = {{{own}}}> {{
                                              ei = DequantizeLinear(qa, s, z)
                                              ed = DequantizeLinear(own, ws, wz)
                                              [other] em = MatMul(ei, ed)
                                              eq = QuantizeLinear(em, s, z)  ev = DequantizeLinear(eq, s, z) }}> }}"""


@pytest.mark.parametrize("opset", [13, 21])
def test_bodies_and_shared_weights(opset: int) -> None:
    rng = np.random.default_rng(3)
    weight, own = (rng.choice(np.array([-50, -7, 9, 40], np.int8), (8, 8)) for _ in range(2))

    def make() -> ir.Model:
        proto = onnx.parser.parse_model(BODIES.format(opset=opset, own=", ".join(map(str, own.reshape(-1)))))
        proto.graph.initializer.append(onnx.numpy_helper.from_array(weight, "w"))
        return ir.from_proto(proto)

    model = make()
    fold = FoldCodebooks({f"{name}:1": Storage(Grain(), 1, 2) for name in ("outer", "inner", "other")})
    assert fold(model).modified
    assert not fold(model).modified
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    assert sum(node.op_type == "Gather" for node in nodes(model)) == 2  # the shared one once
    for taken in (True, False):
        feeds = {"x": rng.normal(size=(1, 8)).astype(np.float32), "c": np.array(taken)}
        with open_session(model, threads=1) as session, open_session(make(), threads=1) as plain:
            assert np.array_equal(session.run(feeds)[0], plain.run(feeds)[0])
    kernels = [kernel.op_type for kernel in read_back(model).kernels.values()]
    assert kernels.count("QLinearMatMul") == 3
    Materialize()(model)
    assert lines(model) == lines(make())
    assert not Materialize()(model).modified
