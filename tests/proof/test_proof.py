"""Tests of edgeq.proof.proof: every status a node can have, read back from the real runtime, for
models of edgeq's form and of a peer.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnxruntime import quantization

from edgeq.errors import BadModel, BadRecipe, FloorMissed, RuntimeRefused
from edgeq.graph.read import nodes
from edgeq.io.load import load_proto
from edgeq.proof.proof import Proof, prove_placement, require_int8
from edgeq.proof.read_back import read_back
from edgeq.schema.origins import NODES_KEY, Origin, pack_origins, read_origins
from tests.qdq_toys import BIAS, IN, OUT, WEIGHT, toy

CONV = IN + WEIGHT + BIAS + "[conv] c = Conv(xd, wd, bd) " + OUT
SMALL_FLOAT = """<ir_version: 8, opset_import: ["": 17]>
small (float[1, 4, 8, 8] x) => (float[N, M] y) {
    [conv] a = Conv<pads = [1, 1, 1, 1]>(x, w1)
    [relu] b = Relu(a)
    [add] c = Add(b, x)
    [pool] d = GlobalAveragePool(c)
    [tanh] t = Tanh(d)
    [flat] e = Flatten(t)
    [gemm] y = Gemm<transB = 1>(e, w2)
}"""


def statuses(placement: Proof) -> dict[str, str]:
    return {node.name: node.runs_as for node in placement.nodes}


def reasons(placement: Proof) -> dict[str, str]:
    return {node.name: node.reason for node in placement.nodes}


def small_float() -> onnx.ModelProto:
    model = onnx.parser.parse_model(SMALL_FLOAT)
    rng = np.random.default_rng(0)
    for name, shape in (("w1", (4, 4, 3, 3)), ("w2", (3, 4))):
        model.graph.initializer.append(onnx.numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name))
    return model


class Feeds(quantization.CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no types
    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        self.feeds: Iterator[dict[str, np.ndarray]] = iter([{"x": rng.standard_normal((1, 4, 8, 8)).astype(np.float32)}])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.feeds, None)


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with float.onnx and what onnxruntime's own tool makes of it: qdq.onnx,
    qoperator.onnx, dynamic.onnx.
    """
    folder = tmp_path_factory.mktemp("peer")
    onnx.save(small_float(), folder / "float.onnx")
    for kind in (quantization.QuantFormat.QDQ, quantization.QuantFormat.QOperator):
        quantization.quantize_static(
            folder / "float.onnx",
            folder / f"{kind.name.lower()}.onnx",
            Feeds(),
            quant_format=kind,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
    quantization.quantize_dynamic(folder / "float.onnx", folder / "dynamic.onnx")
    return folder


def test_a_quantized_conv_is_an_integer_kernel_between_two_boundary_conversions() -> None:
    found = prove_placement(toy(CONV))
    assert statuses(found) == {
        "q_in": "boundary",
        "dq_in": "vanished",
        "dq_w": "vanished",
        "dq_b": "vanished",
        "conv": "int8",
        "q_out": "vanished",
        "dq_out": "boundary",
    }
    assert reasons(found)["conv"] == "QLinearConv"
    assert reasons(found)["q_out"] == "fused into conv (QLinearConv)"
    assert (found.int8, found.float, found.boundary_qdq, found.inner_qdq, found.macs_int8_pct) == (1, 0, 2, 0, 100.0)


def test_multiply_accumulates_are_counted() -> None:
    conv = next(node for node in prove_placement(toy(CONV)).nodes if node.name == "conv")
    assert conv.macs == 4 * 4 * 3 * 3 * 6 * 6


def test_a_relu_that_the_zero_point_does_not_replace_keeps_the_conv_in_float() -> None:
    body = IN + WEIGHT + "[conv] a = Conv(xd, wd)  [relu] c = Relu(a) " + OUT.replace("z)", "z128)")
    found = prove_placement(toy(body))
    assert statuses(found)["conv"] == "float"
    assert statuses(found)["relu"] == "vanished"
    assert "zero point 128 after its Relu does not make the Relu redundant" in reasons(found)["conv"]
    assert found.inner_qdq == 2  # dq_in and q_out; the constant weight's conversion does not count
    assert found.macs_int8_pct == 0.0


def test_a_relu_that_the_zero_point_replaces_vanishes() -> None:
    found = prove_placement(toy(IN + WEIGHT + "[conv] a = Conv(xd, wd)  [relu] c = Relu(a) " + OUT))
    assert (statuses(found)["conv"], statuses(found)["relu"]) == ("int8", "vanished")
    assert reasons(found)["relu"] == "fused into conv (QLinearConv)"


def test_movement_on_integer_tensors_is_int8_by_its_element_type() -> None:
    body = (
        "[q_in] xq = QuantizeLinear(x, s, z)  [pad] p = Pad(xq, pads, z)  [turn] t = Transpose<perm = [0, 2, 3, 1]>(p)"
        " [pool] m = MaxPool<kernel_shape = [2, 2]>(t)  [dq_out] y = DequantizeLinear(m, s, z)"
    )
    found = prove_placement(toy(body))
    assert statuses(found) == {"q_in": "boundary", "pad": "int8", "turn": "int8", "pool": "int8", "dq_out": "boundary"}
    assert found.inner_qdq == 0


def test_a_float_island_counts_as_inner_conversions() -> None:
    found = prove_placement(
        toy(IN + "[tanh] t = Tanh(xd)  [q_t] tq = QuantizeLinear(t, s, z128)  [dq_t] y = DequantizeLinear(tq, s, z128)")
    )
    assert statuses(found)["tanh"] == "float"
    assert reasons(found)["tanh"] == "onnxruntime has no integer kernel for Tanh"
    assert (found.boundary_qdq, found.inner_qdq) == (2, 2)


def test_constants_vanish_with_their_reason() -> None:
    body = IN + "[five] f = Constant<value = float {5.0}>()  [neg] n = Neg(f)  [sum] y = Add(xd, n)"
    found = prove_placement(toy(body))
    assert reasons(found)["neg"] == "a constant, folded"
    assert {statuses(found)[name] for name in ("five", "neg")} == {"vanished"}


def test_a_pad_that_the_pool_takes_over_vanishes_into_it() -> None:
    body = (
        "[q_in] xq = QuantizeLinear(x, s, z)  [pad] p = Pad(xq, pads, z)  [pool] m = MaxPool<kernel_shape = [2, 2]>(p)"
        " [dq_out] y = DequantizeLinear(m, s, z)"
    )
    assert reasons(prove_placement(toy(body)))["pad"] == "fused into pool (MaxPool)"


def test_work_on_shapes_is_told_apart_from_float_work() -> None:
    found = prove_placement(toy("[shape] y = Shape(x)", inputs="float[N, 4, 8, 8] x", outputs="int64 y"))
    assert "nothing to quantize" in reasons(found)["shape"]


def test_nodes_in_an_if_body_are_proven() -> None:
    body = (
        "[which] y = If(yes) <"
        f"then_branch = t () => (float ty) {{ {CONV.replace(' y =', ' ty =')} }},"
        "else_branch = e () => (float ey) { [neg] ey = Neg(x) }>"
    )
    found = prove_placement(toy(body, inputs="float[1, 4, 8, 8] x, bool yes"))
    assert statuses(found)["conv"] == "int8"
    assert statuses(found)["neg"] == "float"
    assert "control flow" in reasons(found)["which"]
    assert found.macs_int8_pct == 100.0


def test_node_names_that_are_missing_or_doubled_do_not_matter() -> None:
    model = toy(CONV)
    for node in model.graph:
        node.name = "same" if node.op_type == "Conv" else None
    assert {node.name: node.runs_as for node in prove_placement(model).nodes if node.op_type == "Conv"} == {"same": "int8"}


def test_the_given_model_stays_as_it_is() -> None:
    model = toy(CONV)
    before = ir.to_proto(model).SerializeToString()
    prove_placement(model)
    assert ir.to_proto(model).SerializeToString() == before


def test_external_data_is_no_obstacle(tmp_path: Path) -> None:
    ir.save(toy(CONV), tmp_path / "m.onnx", external_data="m.data", size_threshold_bytes=0)
    assert statuses(prove_placement(tmp_path / "m.onnx"))["conv"] == "int8"
    assert statuses(prove_placement(ir.load(tmp_path / "m.onnx")))["conv"] == "int8"


def test_a_float_model_is_all_float() -> None:
    found = prove_placement(ir.from_proto(small_float()))
    assert (found.int8, found.boundary_qdq, found.inner_qdq, found.macs_int8_pct) == (0, 0, 0, 0.0)
    assert statuses(found)["relu"] == "vanished"  # fused into the Conv
    assert statuses(found)["conv"] == "float"


def test_a_peers_qdq_model(peer: Path) -> None:
    found = prove_placement(peer / "qdq.onnx")
    types = {node.op_type: node.runs_as for node in found.nodes if "Linear" not in node.op_type}
    assert types == {"Conv": "int8", "Add": "int8", "GlobalAveragePool": "int8", "Tanh": "float", "Flatten": "float", "Gemm": "int8"}
    assert (found.boundary_qdq, found.inner_qdq) == (2, 2)


def test_a_peers_qoperator_model(peer: Path) -> None:
    found = prove_placement(peer / "qoperator.onnx")
    types = {node.op_type: node.runs_as for node in found.nodes}
    assert types["QLinearConv"] == types["QLinearAdd"] == types["QGemm"] == "int8"
    assert types["Tanh"] == "float"
    assert {node.op_type: node.macs for node in found.nodes}["QLinearConv"] == 4 * 4 * 3 * 3 * 8 * 8


def test_a_peers_dynamic_model(peer: Path) -> None:
    found = prove_placement(peer / "dynamic.onnx")
    assert {node.op_type: node.runs_as for node in found.nodes}["ConvInteger"] == "int8"
    assert any("dynamic quantization" in node.reason for node in found.nodes)


@pytest.mark.parametrize("form", ["qdq", "qoperator"])
def test_rows_of_the_float_model_without_a_record(peer: Path, form: str) -> None:
    found = prove_placement(peer / f"{form}.onnx", load_proto(small_float()).model)
    assert statuses(found) == {
        "conv": "int8",
        "relu": "vanished",
        "add": "int8",
        "pool": "int8",
        "tanh": "float",
        "flat": "float",
        "gemm": "int8",
    }
    assert found.macs_int8_pct == 100.0


def test_rows_of_the_float_model_through_edgeqs_record() -> None:
    float_model = toy("[first] a = Conv(x, wf)  [gone] r = Relu(a)  [soft] y = Tanh(r)")
    model = toy(IN + WEIGHT + "[renamed] c = Conv(xd, wd) " + OUT.replace(" y =", " h =") + " [soft] y = Tanh(h)")
    model.metadata_props[NODES_KEY] = pack_origins(
        {
            "first": Origin("int8", "renamed", ""),
            "gone": Origin("absorbed", None, "the grid of c does its work"),
            "soft": Origin("float", "soft", "kept in float: --keep-float soft"),
        }
    )
    found = prove_placement(model, float_model)
    assert statuses(found) == {"first": "int8", "gone": "vanished", "soft": "float"}
    assert reasons(found)["gone"] == "the grid of c does its work"
    assert reasons(found)["soft"] == "kept in float: --keep-float soft"


def test_a_node_planned_for_integers_that_runs_in_float_is_diagnosed() -> None:
    model = toy(IN + WEIGHT + "[conv] y = Conv(xd, wd)")
    model.metadata_props[NODES_KEY] = pack_origins({"conv": Origin("int8", "conv", "planned")})
    found = prove_placement(model, toy("[conv] y = Conv(x, wf)"))
    assert statuses(found) == {"conv": "float"}
    assert reasons(found)["conv"] == "its output is a graph output and not quantized"


@pytest.mark.parametrize("record", ["no json", "[1]", '{"conv": 3, "other": {"runs": "magic"}}', '{"conv": {"runs": "int8", "as": 4}}'])
def test_a_damaged_record_counts_as_none(record: str) -> None:
    model = toy(CONV)
    model.metadata_props[NODES_KEY] = base64.b64encode(zlib.compress(record.encode())).decode()
    assert read_origins(model) == {}
    assert statuses(prove_placement(model))["conv"] == "int8"


def test_the_gate_names_the_float_nodes() -> None:
    found = prove_placement(toy(IN + WEIGHT + "[late] y = Conv(xd, wd)"))
    with pytest.raises(FloorMissed) as caught:
        require_int8(found, ["Conv"])
    assert "Conv (late)" in caught.value.where
    assert caught.value.exit_code == 3


def test_the_gate_lets_integers_and_absent_types_pass_but_no_typing_error() -> None:
    found = prove_placement(toy(CONV))
    require_int8(found, ["Conv", "Gemm"])
    with pytest.raises(BadRecipe, match="conv"):
        require_int8(found, ["conv"])


def test_a_model_that_the_runtime_refuses_and_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(RuntimeRefused):
        prove_placement(toy("[bad] y = NoSuchOp(x)"))
    (tmp_path / "m.onnx").write_bytes(b"\x00\x01")
    with pytest.raises(BadModel):
        prove_placement(tmp_path / "m.onnx")


def test_a_refusal_names_the_nodes_of_the_model() -> None:
    """Inside, nodes are renamed so that they are found again in the optimized graph."""
    model = toy("[conv] c = Conv(x, wf)  [odd] y = Tanh(c)")
    next(node for node in nodes(model) if node.name == "odd").attributes["nonsense"] = ir.AttrInt64("nonsense", 1)
    with pytest.raises(RuntimeRefused) as refusal:
        read_back(model)
    assert "odd" in str(refusal.value)
    assert "edgeq_" not in str(refusal.value)
    assert "bug in edgeq" in refusal.value.fix
