"""Operators on Qualcomm's HTP: quantized and legal in the forms that it takes, refused by name in
others; where its emulator is installed, placed on codes with the right numbers.
"""

from __future__ import annotations

import importlib.util

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.errors import UnsupportedOp
from edgeq.integers.legality.check import check_model
from edgeq.report.quantized import Quantized
from edgeq.runtimes.ort import open_session
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import load_target
from edgeq.testing.case import LINE, Case, floats, ints, number
from edgeq.testing.operator_cases import BEYOND_CPU, COMPUTE, LIGHT, MOVE
from edgeq.testing.operator_nets import build, data_for

#: mean difference of the outputs, in codes: the emulator rounds sums otherwise in each layer, and
#: the next one magnifies it
FAR = 2
TWICE, UNEVEN = np.array([1, 1, 2, 2], np.float32), np.array([1, 1, 1.5, 1.5], np.float32)
NORM = {"k": floats(6, 1).reshape(6) + 1, "o": floats(6, 1, seed=3).reshape(6)}
POSITIVE = "p = Abs(a) q = Add(p, one) "
ONE = {"one": number(0.5)}


def resize(name: str, attributes: str, scales: object = TWICE, opset: int = 17) -> Case:
    return Case(name, f"[op] b = Resize<{attributes}>(a, , s)", {"s": np.asarray(scales, np.float32)}, opset=opset)


def after(name: str, operator: str) -> Case:
    """A function of numbers of 0.5 and more."""
    return Case(name, f"{POSITIVE}[op] b = {operator}(q)", ONE)


TAKEN: list[Case] = [
    *(
        Case(op.lower(), f"[op] b = {op}(a)")
        for op in ("Abs", "Neg", "Exp", "Elu", "Softplus", "Floor", "Ceil", "Round", "Sin", "Cos", "Sign", "Atan")
    ),
    *(after(op.lower(), op) for op in ("Sqrt", "Log", "Reciprocal")),
    Case("gelu", "[op] b = Gelu(a)", opset=20),
    Case("log_softmax", "[op] b = LogSoftmax<axis = 1>(a)"),
    Case("softmax_axis_2", "[op] b = Softmax<axis = 2>(a)"),
    Case("layer_norm", "[op] b = LayerNormalization(a, k, o)", NORM),
    Case("layer_norm_last_axis", "[op] b = LayerNormalization<axis = 3>(a, k)", NORM),
    Case(
        "instance_norm", "[op] b = InstanceNormalization(a, k, o)", {"k": floats(8, 1).reshape(8) + 1, "o": floats(8, 1, seed=3).reshape(8)}
    ),
    Case("lp_norm", "[op] b = LpNormalization<axis = 1>(a)"),
    Case("reduce_mean_channels", "[op] b = ReduceMean<axes = [1]>(a)"),
    Case("reduce_mean_18", "[op] b = ReduceMean(a, i)", {"i": ints(-1)}, opset=18),
    Case("reduce_sum", "[op] b = ReduceSum(a, i)", {"i": ints(2)}),
    Case("max", "[op] b = Max(a, c)"),
    Case("min_constant", "[op] b = Min(a, k)", {"k": floats(8, 1, 1)}),
    Case("div", "p = Abs(c) q = Add(p, one) [op] b = Div(a, q)", ONE),
    Case("div_constant", "m = MaxPool<kernel_shape = [2, 2]>(a) [op] b = Div(m, k)", {"k": np.abs(floats(8, 1, 1)) + 1}),
    Case("pow", "[op] b = Pow(a, k)", {"k": number(2)}),
    Case("where_number", "m = Greater(a, t) [op] b = Where(m, a, k)", {"t": number(0), "k": number(-2)}),
    Case("gather_elements", "[op] b = GatherElements<axis = 3>(a, i)", {"i": np.arange(576).reshape(2, 8, 6, 6) % 6}),
    Case("global_max_pool", "[op] b = GlobalMaxPool(a)"),
    Case(
        "conv_transpose_output_padding",
        "[op] b = ConvTranspose<strides = [2, 2], output_padding = [1, 1]>(a, k, o)",
        {"k": floats(8, 6, 3, 3), "o": floats(6, 1).reshape(6)},
    ),
    Case("conv_transpose_grouped", "[op] b = ConvTranspose<group = 2>(a, k)", {"k": floats(8, 3, 2, 2)}),
    resize("nearest_pytorch_half_pixel", 'coordinate_transformation_mode = "pytorch_half_pixel"'),
    resize("nearest_asymmetric_default_rounding", 'coordinate_transformation_mode = "asymmetric"'),
    resize("linear", 'mode = "linear"', UNEVEN),
    resize("linear_align_corners", 'mode = "linear", coordinate_transformation_mode = "align_corners"'),
    Case("resize_line", '[op] b = Resize<mode = "linear">(a, , s)', {"s": np.array([1, 1, 2], np.float32)}, LINE),
    *(
        case
        for case in (*COMPUTE, *LIGHT, *MOVE, *BEYOND_CPU)
        if case.name
        in {
            "where",
            "where_constant_condition",
            "prelu",
            "reduce_max_18",
            "reduce_min",
            "expand",
            "tile",
            "gather",
            "gather_scalar",
            "resize_nearest",
            "resize_nearest_asymmetric",
            "conv_transpose",
            "depth_to_space_crd",
            "softmax_axis_1",
            "average_pool_3d",
            "conv_1d",
            "conv_3d",
            "conv_grouped",
            "gemm",
            "gemm_trans_b",
            "gemm_no_bias",
            "matmul_2d",
            "matmul_rows",
            "matmul_3d",
            "matmul_constant_first",
            "matmul_of_activations",
            "gemm_of_activations",
        }
    ),
]
REFUSED: dict[Case, str] = {
    resize("cubic", 'mode = "cubic"'): "mode",
    resize("antialias", 'mode = "linear", antialias = 1', [1, 1, 0.5, 0.5], 19): "with antialias 0, and its antialias is 1",
    resize("nearest_other_pixels", 'coordinate_transformation_mode = "half_pixel", nearest_mode = "floor"'): "nearest_mode is floor",
    resize("rounded_size", 'mode = "linear"', [1, 1, 1.25, 1.25]): "a size is rounded",
    resize("channels", 'mode = "linear"', [1, 2, 1, 1]): "changes the number of samples or channels",
    Case(
        "average_pool_ceil",
        "[op] b = AveragePool<kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1, pads = [1, 1, 1, 1], count_include_pad = 1>(a)",
    ): "ceil_mode",
    Case("max_pool_3d", "[op] b = MaxPool<kernel_shape = [2, 2, 2]>(a)", image=(8, 4, 4, 4)): "of 3 or 4 axes, and its input has 5",
    Case("max_pool_dilated", "[op] b = MaxPool<kernel_shape = [2, 2], dilations = [2, 2]>(a)"): "dilations is 2",
    Case("layer_norm_three_axes", "[op] b = LayerNormalization<axis = 1>(a, k)", {"k": floats(8, 6, 6)}): "over the last axis",
    Case("max_of_three", "d = Abs(a) [op] b = Max(a, d, c)"): "of at most 2 inputs, and it has 3",
    Case("pow_of_values", "p = Abs(a) [op] b = Pow(p, c)"): "is one constant number",
    Case("lp_norm_1", "[op] b = LpNormalization<axis = 1, p = 1>(a)"): "its p is 1",
    Case("cumsum", "[op] b = CumSum(a, i)", {"i": np.array(1)}): "its sums are wrong",
    Case("top_k", "[op] b, d = TopK(a, i)", {"i": ints(3)}): "on float32",
    Case("mean_of_values", "[op] b = Mean(a, c)"): "on float32",
}


def made(case: Case) -> Quantized:
    return quantize(build(case), data_for(case), target="qnn_htp", recipe=Recipe(effort="fast", rule="minmax"), prove=False)


@pytest.mark.parametrize("case", TAKEN, ids=str)
def test_runs_on_codes_and_is_legal(case: Case) -> None:
    result = made(case)
    assert result.plan.nodes["op"].runs in ("int8", "integer"), result.plan.nodes["op"].reason
    assert check_model(result.model, load_target("qnn_htp")) == ()


@pytest.mark.parametrize(("case", "words"), REFUSED.items(), ids=lambda one: str(one) if isinstance(one, Case) else "")
def test_a_form_that_it_does_not_take_is_refused_by_name(case: Case, words: str) -> None:
    with pytest.raises(UnsupportedOp, match=words) as refused:
        made(case)
    assert " (op)" in str(refused.value)


@pytest.mark.skipif(importlib.util.find_spec("onnxruntime_qnn") is None, reason="onnxruntime-qnn is not installed")
@pytest.mark.parametrize("case", TAKEN, ids=str)
def test_the_emulator_places_it_on_codes_with_the_right_numbers(case: Case) -> None:
    from edgeq.runtimes.qnn import Qnn

    model, x = made(case).model, data_for(case)["x"][:2]
    opened = Qnn(ir.to_proto(model).SerializeToString())
    assert [op for op in opened.operators if not op.integer] == []
    with open_session(model, optimize="off") as session:
        wanted = dict(zip(session.outputs, session.run({"x": x}), strict=True))
    for port, found in zip(opened.outputs, opened.run([x]), strict=True):
        far = np.abs(found.astype(np.float64) - wanted[port.name]).mean() / np.ptp(wanted[port.name])
        assert float(far) <= FAR / 255
