"""The facts of targets/cpu.toml, proven: each operator between two layers runs on integers in
onnxruntime and computes the same.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.io.load import load_proto
from edgeq.proof.proof import prove_placement
from edgeq.schema.target import load_target
from edgeq.testing.case import Case, floats, ints, number
from edgeq.testing.operator_cases import ALL
from edgeq.testing.operator_nets import build, operator
from tests.graph_text import eager
from tests.target_cases import float_result, quantized, run, sqnr

CPU = eager("cpu")

REFUSED = [
    (Case("deconv", "[op] b = ConvTranspose(a, k)", {"k": floats(8, 4, 2, 2)}), "no integer kernel for ConvTranspose"),
    (
        Case("conv_of_activations", "g = GlobalAveragePool(c) k = Slice(g, i, j) [op] b = Conv(a, k)", {"i": ints(0), "j": ints(1)}),
        "computed",
    ),
    (Case("hard_sigmoid_below_0", "[op] b = HardSigmoid<alpha = 0.5, beta = -0.25>(a)"), "beta < 0"),
    (Case("pad_value", "[op] t = Pad(a, p, v) b = Softplus(t)", {"p": ints(0, 0, 1, 1, 0, 0, 1, 1), "v": number(900)}), "fills with 900"),
    (Case("pad_infinity", "[op] t = Pad(a, p, v) b = Softmax(t)", {"p": ints(0, 0, 1, 1, 0, 0, 1, 1), "v": number(-3e38)}), "no grid"),
    (Case("clip_divisor", "r = Relu(c) [op] d = Clip(r, l) b = Div(a, d)", {"l": number(0.125)}), "away from 0 for Div"),
    (Case("clip_logarithm", "r = Relu(a) [op] d = Clip(r, l) s = Sqrt(d) b = Log(s)", {"l": number(0.125)}), "away from 0 for Log"),
    (Case("clip_crossed", "[op] b = Clip(a, l, h)", {"l": number(0.5), "h": number(0.125)}), "in the wrong order"),
    (Case("max_pool_indices", "[op] b, i = MaxPool<kernel_shape = [2, 2]>(a)"), "indices"),
    (Case("resize_linear", '[op] b = Resize<mode = "linear">(a, , , s)', {"s": ints(2, 8, 9, 9)}), "interpolates"),
    (
        Case(
            "resize_crop",
            '[op] b = Resize<mode = "nearest", coordinate_transformation_mode = "tf_crop_and_resize">(a, r, , s)',
            {"r": np.array([0, 0, 0, 0, 1, 1, 1.5, 1.5], np.float32), "s": ints(2, 8, 9, 9)},
        ),
        "crops",
    ),
    (Case("mask", "m = Greater(x, t) [op] w = Where(m, a, k) b = Erf(w)", {"t": number(0), "k": number(-3e38)}), "too large for any grid"),
]
#: Gemms that ONNX has in more forms than integer kernels: they are written in those
GEMMS = [
    Case("gemm_alpha", "f = Flatten(a) [op] b = Gemm<alpha = 0.5>(f, k)", {"k": floats(288, 10)}),
    Case("gemm_beta", "f = Flatten(a) [op] b = Gemm<beta = 0.5>(f, k, o)", {"k": floats(288, 10), "o": floats(10)}),
    Case("gemm_matrix_bias", "f = Flatten(a) [op] b = Gemm(f, k, o)", {"k": floats(288, 10), "o": floats(2, 10)}),
]


def with_codes(model: ir.Model) -> tuple[bytes, float]:
    """The model with what [op] makes as its last output, and the step of its grid: its codes, or
    floats where it hands those out.
    """
    proto = ir.to_proto(model)
    made = next(node.output[0] for node in proto.graph.node if node.name == "op")
    codes = next((node.output[0] for node in proto.graph.node if node.op_type == "QuantizeLinear" and node.input[0] == made), made)
    proto.graph.output.append(onnx.ValueInfoProto(name=codes))
    return proto.SerializeToString(), 1e-4 if "then_float" in proto.graph.name else 1.0


@pytest.mark.parametrize("case", ALL, ids=str)
def test_runs_on_integers_and_computes_the_same(case: Case) -> None:
    """The kernel that runs may round otherwise than Dequantize -> operator -> Quantize, by one
    code.
    """
    result = quantized(case, CPU)
    placement = prove_placement(result.model, load_proto(build(case)).model)
    assert {node.name: node.runs_as for node in placement.nodes}["op"] == "int8", placement
    model, step = with_codes(result.model)
    on, off = run(model, case, "all"), run(model, case, "off")
    assert np.abs(on[-1] - off[-1]).max() <= step
    plain = run(ir.to_proto(result.model).SerializeToString(), case, "all")[0]  # reading the codes may keep a fusion away
    assert sqnr(float_result(case), plain) > 25


@pytest.mark.parametrize(("case", "words"), REFUSED, ids=str)
def test_stays_float_with_the_reason(case: Case, words: str) -> None:
    """And computes the same: what is left float beside integers must not be harmed by them."""
    result = quantized(case, CPU)
    node = result.plan.nodes["op"]
    assert node.runs == "float"
    assert words in node.reason
    assert sqnr(float_result(case), run(ir.to_proto(result.model).SerializeToString(), case, "all")[0]) > 25


@pytest.mark.parametrize("case", GEMMS, ids=str)
def test_gemms_of_every_form_run_in_integers(case: Case) -> None:
    result = quantized(case, CPU)
    assert result.plan.nodes["op"].runs == "int8"
    assert sqnr(float_result(case), run(ir.to_proto(result.model).SerializeToString(), case, "all")[0]) > 25


@pytest.mark.parametrize("name", ["cpu", "cpu_arm"])
def test_every_listed_operator_is_tried(name: str) -> None:
    target = load_target(name)
    assert {*(kernel.op for kernel in target.kernel), *target.movement.ops} - {operator(case) for case in ALL} == set()
