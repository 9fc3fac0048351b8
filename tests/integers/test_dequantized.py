"""Constants that onnxruntime refuses or dequantizes at every inference are named, no others."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper

from edgeq.api import quantize
from edgeq.errors import RuntimeRefused
from edgeq.integers.legality.check import check_model
from edgeq.integers.legality.dequantized import dequantize_rules
from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.proof.proof import prove_placement
from edgeq.proof.read_back import read_back
from edgeq.runtimes.ort import open_session
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import load_target
from tests.graph_text import net, weights

CPU = load_target("cpu")


def _typed(kind: int, scale: int, opset: int) -> ir.Model:
    """A MatMul with a constant of 32 x 8 numbers of this type, whose scales are of that type."""
    codes = helper.make_tensor("w", kind, [32, 8], np.ones(256), raw=False)
    scales = helper.make_tensor("s", scale, [1, 8], np.ones(8), raw=False)
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s"], ["d"], name="dq", axis=0, block_size=32, output_dtype=1),
        helper.make_node("MatMul", ["x", "d"], ["y"], name="fc"),
    ]
    ins, outs = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [4, size]) for name, size in (("x", 32), ("y", 8)))
    graph = helper.make_graph(nodes, "g", [ins], [outs], [codes, scales])
    return ir.from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=12))


@pytest.mark.parametrize(
    ("kind", "scale", "opset"),
    [
        (TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT8E8M0, 24),
        (TensorProto.INT8, TensorProto.FLOAT8E8M0, 24),
        (TensorProto.FLOAT4E2M1, TensorProto.FLOAT, 23),
    ],
)
def test_types_without_a_kernel_break_a_fact_and_are_refused_by_the_runtime(kind: int, scale: int, opset: int) -> None:
    model = _typed(kind, scale, opset)
    (found, *_) = dequantize_rules(model, CPU)
    assert (found.node, found.rule, found.breaks) == ("dq", "dequantize_type", "fact")
    assert found in check_model(model, CPU)
    with pytest.raises(RuntimeRefused), open_session(model):
        pass


def test_eight_bit_floats_with_float_scales_are_warned_of() -> None:
    (found,) = dequantize_rules(_typed(TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT, 23), CPU)
    assert (found.rule, found.breaks) == ("never_folded", "warning")


def _blocked(activations: str) -> ir.Model:
    constants = {"w": np.ones((64, 8), np.int8), "ws": weights(2, 8) ** 2 + np.float32(0.1), "s": np.float32(0.1), "z": np.uint8(3)}
    body = f"d = DequantizeLinear<axis = 0, block_size = 32>(w, ws)  {activations}  y = MatMul(a, d)"
    return net(body, inputs="float[4, 64] x", outputs="float y", constants=constants, opset=21)


def test_blocks_beside_quantized_activations_are_warned_of() -> None:
    (found,) = dequantize_rules(_blocked("q = QuantizeLinear(x, s, z)  a = DequantizeLinear(q, s, z)"), CPU)
    assert (found.rule, found.breaks) == ("never_folded", "warning")
    assert not list(dequantize_rules(_blocked("a = Relu(x)"), CPU))  # a kernel of its own takes both


def test_int8_weights_and_other_runtimes_are_left_alone() -> None:
    constants = {"w": np.ones((64, 8), np.int8), "ws": np.ones(8, np.float32), "wz": np.zeros(8, np.int8)}
    plain = net(
        "d = DequantizeLinear<axis = 1>(w, ws, wz)  y = MatMul(x, d)", inputs="float[4, 64] x", outputs="float y", constants=constants
    )
    assert not list(dequantize_rules(plain, CPU))
    assert not list(dequantize_rules(_typed(TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT8E8M0, 24), load_target("mcu_tflite")))
    assert onnx.defs.onnx_opset_version() >= 24


GEMM = """q = QuantizeLinear(x, s, z)  a = DequantizeLinear(q, s, z)  d = DequantizeLinear<axis = 1>(w, ws{zero})
          c = {op}(a, d)  r = QuantizeLinear(c, t, z)  y = DequantizeLinear(r, t, z)"""


def _product(op: str, zero: str) -> ir.Model:
    constants = {
        "w": np.ones((64, 8), np.int8),
        "ws": np.full(8, 0.1, np.float32),
        "s": np.float32(0.1),
        "t": np.float32(2),
        "z": np.uint8(3),
    }
    if zero:
        constants["wz"] = np.zeros(8, np.int8)
    return net(GEMM.format(op=op, zero=zero), inputs="float[4, 64] x", outputs="float y", constants=constants, opset=13)


@pytest.mark.parametrize(("op", "zero", "warned"), [("Gemm", "", True), ("Gemm", ", wz", False), ("MatMul", "", False)])
def test_a_gemm_whose_weight_has_no_zero_point_is_warned_of_and_runs_in_float(op: str, zero: str, warned: bool) -> None:
    model = _product(op, zero)
    assert [one.rule for one in dequantize_rules(model, CPU)] == ["no_zero_point"] * warned
    kernels = [kernel.op_type for kernel in read_back(model).kernels.values()]
    assert (op in kernels) == warned
    (node,) = [node for node in prove_placement(model).nodes if node.op_type == op]
    assert ("has no zero point" in node.reason) == warned


def _two_levels(op: str, transposed: bool) -> ir.Model:
    """A weight of four bits whose scales are dequantized themselves, as LPBQ has them."""
    shape, scales = ((8, 64), (8, 4)) if transposed else ((64, 8), (4, 8))
    constants = {
        "w": np.ones(shape, np.int8),
        "k": np.full(scales, 3, np.uint8),
        "g": np.full(8, 0.1, np.float32),
        "kz": np.zeros(8, np.uint8),
    }
    body = f"""ws = DequantizeLinear<axis = {0 if transposed else 1}>(k, g, kz)
               d = DequantizeLinear<axis = {1 if transposed else 0}, block_size = 16>(w, ws)  [fc] y = {op}(x, d)"""
    return net(body, inputs="float[4, 64] x", outputs="float y", constants=constants, opset=21)


@pytest.mark.parametrize(
    ("op", "transposed", "broken"), [("Gemm", False, True), ("Gemm<transB = 1>", True, False), ("MatMul", False, False)]
)
def test_two_level_scales_of_a_turned_gemm_are_computed_wrongly_on_the_htp(op: str, transposed: bool, broken: bool) -> None:
    model = _two_levels(op, transposed)
    assert [(one.node, one.rule, one.breaks) for one in dequantize_rules(model, load_target("qnn_htp"))] == [
        ("fc", "two_levels_turned", "fact")
    ] * broken
    assert "two_levels_turned" not in {one.rule for one in dequantize_rules(model, CPU)}


@pytest.mark.parametrize(("source", "warned"), [("w", True), ("x", False)])
def test_what_is_too_large_to_be_folded_is_warned_of(source: str, warned: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeq.integers.legality.dequantized.FOLDED_BYTES", 1000)
    body = f"c = Cast<to = 6>({source})  f = Cast<to = 1>(c)  y = Add(x, f)"
    model = net(body, inputs="float[16, 16] x", outputs="float y", constants={"w": np.ones((16, 16), np.int8)}, opset=18)
    InferShapes()(model)
    assert [one.rule for one in dequantize_rules(model, CPU)] == ["never_folded", "never_folded"] * warned
    monkeypatch.undo()
    assert not list(dequantize_rules(model, CPU))


def test_weights_that_would_not_be_folded_stay_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    model = net("y = MatMul(x, w)", inputs="float[N, 96] x", outputs="float y", constants={"w": weights(96, 80)})
    data = {"x": np.random.default_rng(0).normal(size=(8, 96)).astype(np.float32)}
    wishes = ({"weight_format": {"name": "int4"}}, {"codebook": {"bits": 4}})
    recipes = [Recipe.model_validate(one | {"rescue": False, "placement": {"prefer": "integers"}}) for one in wishes]
    stored_as = [next(iter(quantize(model, data, recipe=one, prove=False).plan.weights.values())).format for one in recipes]
    assert stored_as == ["number", "codebook"]
    monkeypatch.setattr("edgeq.numerics.codebook.FOLDED_BYTES", 4 * 96 * 80 - 1)
    stored_as = [next(iter(quantize(model, data, recipe=one, prove=False).plan.weights.values())).format for one in recipes]
    assert stored_as == ["integer", "integer"]


@pytest.mark.parametrize("source", ["RandomNormal<shape = [16, 16]>()", "RandomUniformLike(w)"])
def test_random_numbers_are_no_constants_wherever_in_a_chain(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeq.integers.legality.dequantized.FOLDED_BYTES", 1000)
    body = f"r = {source}  m = Mul(r, w)  n = Neg(m)  y = Add(x, n)"
    model = net(body, inputs="float[16, 16] x", outputs="float y", constants={"w": np.ones((16, 16), np.float32)}, opset=18)
    InferShapes()(model)
    assert not list(dequantize_rules(model, CPU))
