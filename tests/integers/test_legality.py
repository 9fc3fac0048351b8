"""edgeq check: every kind of planted violation is found under its rule, and a legal model has
none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import pytest
from onnx import numpy_helper

from edgeq.integers.legality.check import check_model
from edgeq.numerics.arrays import F32, AnyArray
from edgeq.schema.target import Target, load_target
from tests.changed import changed

X_S, W_S, Y_S = 0.05, 0.01, 0.1
#: a legal model of npu_int8: Conv, MaxPool on codes, Concat of one grid, Softmax at its fixed grid
TEXT = """<ir_version: 9, opset_import: ["": 17]>
net (int8[1, 2, 6, 6] x) => (int8[1, 8] y) {
  xf = DequantizeLinear(x, xs, xz)
  wf = DequantizeLinear<axis = 0>(w, ws, wz)
  bf = DequantizeLinear<axis = 0>(b, bs, bz)
  [conv] c = Conv<kernel_shape = [3, 3], strides = [1, 1]>(xf, wf, bf)
  q = QuantizeLinear(c, ys, yz)
  [pool] p = MaxPool<kernel_shape = [4, 4], strides = [4, 4]>(q)
  pf = DequantizeLinear(p, ys, yz)
  [cat] k = Concat<axis = 1>(pf, pf)
  kq = QuantizeLinear(k, ys, yz)
  [flat] f = Flatten(kq)
  ff = DequantizeLinear(f, ys, yz)
  [soft] s = Softmax(ff)
  y = QuantizeLinear(s, ss, sz)
}"""


def legal() -> dict[str, AnyArray]:
    scales = np.full(4, W_S, np.float32)
    return {
        "xs": np.array(X_S, np.float32), "xz": np.array(3, np.int8), "ys": np.array(Y_S, np.float32), "yz": np.array(-5, np.int8),
        "w": np.arange(72).reshape(4, 2, 3, 3).astype(np.int8), "ws": scales, "wz": np.zeros(4, np.int8),
        "b": np.arange(4, dtype=np.int32), "bs": np.float32(X_S) * scales, "bz": np.zeros(4, np.int32),
        "ss": np.array(1 / 256, np.float32), "sz": np.array(-128, np.int8),
    }  # fmt: skip


def model(text: str = TEXT, **changed: AnyArray) -> ir.Model:
    proto = onnx.parser.parse_model(text)
    proto.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in (legal() | changed).items() if name in text)
    return ir.from_proto(proto)


def rules(found: ir.Model, target: Target) -> set[str]:
    return {violation.rule for violation in check_model(found, target)}


NPU = load_target("npu_int8")
PER_TENSOR = changed(NPU, weights=changed(NPU.weights, granularity=("per_tensor",)))
SYMMETRIC = changed(NPU, activations=changed(NPU.activations, symmetric=True))
POWERS = changed(NPU, activations=changed(NPU.activations, power_of_two=True))
WEIGHT_POWERS = changed(NPU, weights=changed(NPU.weights, power_of_two=True))
FEW_BITS = changed(NPU, bias=changed(NPU.bias, bits=16))
SMALL_PAIRS = changed(NPU, weights=changed(NPU.weights, pair_limit=2))
SMALL_SUMS = changed(NPU, weights=changed(NPU.weights, max_sum=100))


def limited(op: str, **limits: int | tuple[int, int]) -> Target:
    kernels = tuple(changed(kernel, **limits) if kernel.op == op else kernel for kernel in NPU.kernel)
    # not validated: a chip that states shifts has scales of powers of two; here one limit counts
    return Target.model_construct(**{**dict(NPU), "kernel": kernels})


def text(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new)


@dataclass(frozen=True)
class Planted:
    """One violation. make: the model that has it; target: whose fact it breaks; rule: what finds
    it.
    """

    name: str
    make: Callable[[], ir.Model]
    rule: str
    target: Target = NPU

    def __str__(self) -> str:
        return self.name


def array(values: object, dtype: str) -> AnyArray:
    return np.array(values, dtype)


FLOAT_IN = TEXT.replace("int8[1, 2, 6, 6] x)", "float[1, 2, 6, 6] r)").replace("  xf =", "  x = QuantizeLinear(r, xs, xz)\n  xf =")
FLOAT_OUT = TEXT.replace("(int8[1, 8] y)", "(float[1, 8] z)").replace("\n}", "\n  z = DequantizeLinear(y, ss, sz)\n}")
WEIGHT_FLOAT = text("  wf = DequantizeLinear<axis = 0>(w, ws, wz)\n", "").replace("(xf, wf, bf)", "(xf, wr, bf)")
BIAS_FLOAT = text("  bf = DequantizeLinear<axis = 0>(b, bs, bz)\n", "").replace("(xf, wf, bf)", "(xf, wf, br)")
WEIGHT_MADE = text("  bf =", "  wm = Mul(wf, one)\n  bf =").replace("(xf, wf, bf)", "(xf, wm, bf)")
BIAS_MADE = text("  [conv]", "  bm = ReduceMean<axes = [0, 2, 3], keepdims = 0>(xf)\n  [conv]").replace("(xf, wf, bf)", "(xf, wf, bm)")
GELU = text("  [soft] s = Softmax(ff)", "  [soft] s = Mish(ff)").replace('"": 17', '"": 18')
FOREIGN = text('"": 17]', '"": 17, "my.chip": 1]').replace("s = Softmax(ff)", "s = my.chip.Softmax(ff)")
TWICE = text("y = QuantizeLinear(s, ss, sz)", "e = Softmax(s)\n  y = QuantizeLinear(e, ss, sz)")
GEMM = """<ir_version: 9, opset_import: ["": 17]>
net (int8[1, 8] x) => (int8[1, 4] q) {
  xf = DequantizeLinear(x, xs, xz)
  gf = DequantizeLinear<axis = 1>(g, ws, wz)
  [fc] c = Gemm<alpha = 0.5>(xf, gf)
  q = QuantizeLinear(c, ys, yz)
}"""
G = np.ones((8, 4), np.int8)
GROUPS = """<ir_version: 9, opset_import: ["": 17]>
net (int8[1, 4, 6, 6] x) => (int8[1, 8, 6, 6] q) {
  xf = DequantizeLinear(x, xs, xz)
  tf = DequantizeLinear<axis = 1>(t, ws, wz)
  bf = DequantizeLinear<axis = 0>(b, bs, bz)
  [up] c = ConvTranspose<group = 2>(xf, tf, bf)
  q = QuantizeLinear(c, ys, yz)
}"""


def grouped(off: float = 1.0) -> ir.Model:
    """A ConvTranspose of two groups, whose second group has a bias scale that is off."""
    product = np.tile(np.float32(X_S) * legal()["ws"], 2) * np.float32([1, 1, 1, 1, 1, 1, 1, off])
    zeros = np.zeros(8, np.int32)
    return model(GROUPS, t=np.ones((4, 4, 1, 1), np.int8), b=zeros, bs=product, bz=zeros)


ADD = """<ir_version: 9, opset_import: ["": 17]>
net (int8[1, 4] x) => (int8[1, 4] q) {
  xf = DequantizeLinear(x, xs, xz)
  hf = DequantizeLinear(h, fine, xz)
  [sum] c = Add(xf, hf)
  q = QuantizeLinear(c, ys, yz)
}"""
LINE = """<ir_version: 9, opset_import: ["": 17]>
net (int8[1, 2, 6] x) => (int8[1, 4, 4] q) {
  xf = DequantizeLinear(x, xs, xz)
  lf = DequantizeLinear<axis = 0>(l, ws, wz)
  [line] c = Conv(xf, lf)
  q = QuantizeLinear(c, ys, yz)
}"""
H, FINE = np.ones((1, 4), np.int8), np.float32(X_S / 1024)

PLANTED = [
    Planted("opset_too_new", lambda: model(text('"": 17', '"": 22')), "opset"),
    Planted("float_model_input", lambda: model(FLOAT_IN), "integer_input"),
    Planted("float_model_output", lambda: model(FLOAT_OUT), "integer_output"),
    Planted("unsigned_activation", lambda: model(ys=legal()["ys"], yz=array(7, "uint8")), "activation_dtype"),
    Planted("activation_of_16_bits", lambda: model(yz=array(7, "int16")), "activation_dtype"),
    Planted("activation_with_zero_point", lambda: model(), "activation_zero_point", SYMMETRIC),
    Planted("activation_scale_no_power", lambda: model(), "activation_power_of_two", POWERS),
    Planted("activation_per_channel", lambda: model(text("q = QuantizeLinear(c, ys, yz)", "q = QuantizeLinear<axis = 1>(c, ws, wz)")),
            "activation_granularity"),
    Planted("scale_of_zero", lambda: model(xs=array(0.0, "float32")), "scale_positive"),
    Planted("unsigned_weight", lambda: model(w=legal()["w"].astype(np.uint8), wz=np.zeros(4, np.uint8)), "weight_dtype"),
    Planted("weight_with_zero_point", lambda: model(wz=array([0, 1, 0, 0], "int8")), "weight_zero_point"),
    Planted("weight_uses_the_lowest_code", lambda: model(w=np.full((4, 2, 3, 3), -128, np.int8)), "weight_narrow"),
    Planted("weight_per_channel", lambda: model(), "weight_granularity", PER_TENSOR),
    Planted("weight_scales_along_the_wrong_axis", lambda: model(
        text("wf = DequantizeLinear<axis = 0>(w, ws, wz)", "wf = DequantizeLinear<axis = 1>(w, two, twoz)"),
        two=array([W_S, W_S], "float32"), twoz=array([0, 0], "int8")), "weight_axis"),
    Planted("weight_scale_no_power", lambda: model(), "weight_power_of_two", WEIGHT_POWERS),
    Planted("weight_stays_float", lambda: model(WEIGHT_FLOAT, wr=np.ones((4, 2, 3, 3), np.float32)), "weight_float"),
    Planted("weight_is_computed", lambda: model(WEIGHT_MADE, one=array(1.0, "float32")), "weight_constant"),
    Planted("weight_sum_too_large", lambda: model(), "weight_sum", SMALL_SUMS),
    Planted("neighbours_that_saturate", lambda: model(), "weight_pair", SMALL_PAIRS),
    Planted("sum_can_leave_int32", lambda: model(b=array([2**31 - 1, 0, 0, 0], "int32")), "accumulator"),
    Planted("bias_of_8_bits", lambda: model(b=np.arange(4, dtype=np.int8), bz=np.zeros(4, np.int8)), "bias_dtype"),
    Planted("bias_stays_float", lambda: model(BIAS_FLOAT, br=np.ones(4, np.float32)), "bias_float"),
    Planted("bias_is_computed", lambda: model(BIAS_MADE), "bias_constant"),
    Planted("bias_scale_not_the_product", lambda: model(bs=legal()["bs"] * np.float32(1.5)), "bias_scale"),
    Planted("bias_scale_of_small_scales",
            lambda: model(xs=array(1e-6, "float32"), bs=legal()["bs"] * np.float32(4e-5)),
            "bias_scale"),
    Planted("bias_scale_of_one_group", lambda: grouped(1.5), "bias_scale", load_target("mcu_tflite")),
    Planted("bias_with_zero_point", lambda: model(bz=array([1, 0, 0, 0], "int32")), "bias_zero_point"),
    Planted("bias_too_wide", lambda: model(b=array([40000, 0, 0, 0], "int32")), "bias_bits", FEW_BITS),
    Planted("operator_without_kernel", lambda: model(GELU), "no_kernel"),
    Planted("operator_of_another_domain", lambda: model(FOREIGN), "no_kernel"),
    Planted("movement_between_two_grids", lambda: model(text("pf = DequantizeLinear(p, ys, yz)", "pd = DequantizeLinear(p, ys, yz)\n"
            "  pr = Relu(pd)\n  pq = QuantizeLinear(pr, ss, sz)\n  pf = DequantizeLinear(pq, ss, sz)")), "same_scale"),
    Planted("concat_of_two_grids", lambda: model(text("kq = QuantizeLinear(k, ys, yz)", "kq = QuantizeLinear(k, xs, yz)")), "same_scale"),
    Planted("softmax_at_another_scale", lambda: model(ss=array(1 / 255, "float32")), "output_grid"),
    Planted("softmax_at_another_zero_point", lambda: model(sz=array(0, "int8")), "output_grid"),
    Planted("read_at_another_scale", lambda: model(text("ff = DequantizeLinear(f, ys, yz)", "fd = DequantizeLinear(f, ys, yz)\n"
            "  fq = QuantizeLinear(fd, ys, yz)\n  ff = DequantizeLinear(fq, xs, yz)")), "one_grid"),
    Planted("float_inside", lambda: model(TWICE), "float_output"),
    Planted("float_read_inside", lambda: model(TWICE), "float_input"),
    Planted("window_too_large", lambda: model(), "window", limited("Conv", max_window=2)),
    Planted("stride_too_large", lambda: model(text("strides = [1, 1]", "strides = [3, 3]").replace("[4, 4]", "[2, 2]")), "stride",
            limited("Conv", max_stride=2)),
    Planted("gemm_with_alpha", lambda: model(GEMM, g=G), "attributes"),
    Planted("clamp_that_is_lost", lambda: model(text("pf = DequantizeLinear(p, ys, yz)", "qf = DequantizeLinear(q, ys, yz)\n"
            "  qw = QuantizeLinear(qf, wide, yz)\n  pf = DequantizeLinear(p, ys, yz)"), wide=array(0.4, "float32")), "lost_clamp",
            changed(NPU, keeps_clamps=False)),
    Planted("shift_too_far", lambda: model(), "shift", limited("Conv", shift=(0, 7))),
    Planted("shift_to_the_left", lambda: model(ys=array(X_S * W_S / 2, "float32")), "shift", limited("Conv", shift=(0, 16))),
    Planted("operands_too_far_apart", lambda: model(ADD, h=H, fine=FINE), "align", limited("Add", align=7)),
    Planted("sum_shifted_to_the_left", lambda: model(ADD, h=H, fine=FINE, ys=FINE), "shift", limited("Add", align=16, shift=(-7, 25))),
    Planted("window_of_one_axis", lambda: model(LINE, l=np.ones((4, 2, 3), np.int8)), "window_axes",
            changed(NPU, window_axes=2)),
    Planted("movement_without_its_pair", lambda: model(), "pairs",
            changed(NPU, movement=changed(NPU.movement, pairs=True))),
]  # fmt: skip


def test_a_legal_model_has_none() -> None:
    assert check_model(model(), NPU) == ()


def test_groups_of_a_transposed_convolution_with_the_scales_of_the_accumulator_are_legal() -> None:
    assert rules(grouped(), load_target("mcu_tflite")) == set()


@pytest.mark.parametrize("planted", PLANTED, ids=str)
def test_finds(planted: Planted) -> None:
    found = check_model(planted.make(), planted.target)
    assert planted.rule in {violation.rule for violation in found}
    one = next(violation for violation in found if violation.rule == planted.rule)
    assert all((one.observed, one.fact, one.source, one.fix))


def test_at_least_thirty_kinds() -> None:
    assert len({planted.name for planted in PLANTED}) == len(PLANTED) >= 30


def test_a_layer_that_hands_out_float_where_the_kernel_cannot() -> None:
    cut = TEXT[: TEXT.index("  q =")].replace("=> (int8[1, 8] y)", "=> (float[1, 4, 4, 4] c)").replace("int8[1", "uint8[1") + "}"
    found = model(cut, xz=array(3, "uint8"))
    assert "output_quantized" in rules(found, load_target("cpu"))


def test_one_channel_is_not_depthwise() -> None:
    """A Conv from one channel to one adds neighbours as any other does; only groups of one channel
    add none.
    """
    single = TEXT.replace("int8[1, 2, 6, 6] x", "int8[1, 1, 6, 6] x").replace("int8[1, 8] y", "int8[1, 2] y")
    constants = {"w": np.full((1, 1, 3, 3), 100, np.int8), "ws": np.array([W_S], np.float32), "wz": np.zeros(1, np.int8)}
    constants |= {"b": np.zeros(1, np.int32), "bs": np.array([X_S * W_S], np.float32), "bz": np.zeros(1, np.int32)}
    assert rules(model(single, **constants), SMALL_PAIRS) == {"weight_pair"}


def test_the_model_is_not_changed() -> None:
    found = model()
    before = ir.to_proto(found).SerializeToString(deterministic=True)
    check_model(found, NPU)
    assert ir.to_proto(found).SerializeToString(deterministic=True) == before


def peer(tmp_path: object, quant_format: object, activation: object, weight: object, per_channel: bool) -> ir.Model:
    """conv_net's first layers by onnxruntime's own tool, as a user would get them."""
    from pathlib import Path

    from onnxruntime import quantization as ort  # type: ignore[import-untyped]

    from tests.small_models import conv_net

    class Reader(ort.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rows = iter([{"x": np.random.default_rng(n).normal(size=(1, 3, 8, 8)).astype(np.float32)} for n in range(4)])

        def get_next(self) -> dict[str, F32] | None:
            return next(self.rows, None)

    folder = Path(str(tmp_path))
    onnx.save(conv_net(), folder / "net.onnx")
    ort.quantize_static(
        folder / "net.onnx", folder / "out.onnx", Reader(), quant_format=quant_format, activation_type=activation, weight_type=weight,
        per_channel=per_channel,
    )  # fmt: skip
    return ir.from_proto(onnx.load(folder / "out.onnx"))


@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
def test_a_peers_model_in_both_forms(form: str, tmp_path: object) -> None:
    """Unsigned activations and weights on a target of signed ones, float at both ends, a float Exp:
    all of it is found.
    """
    from onnxruntime.quantization import QuantFormat, QuantType

    made = peer(tmp_path, QuantFormat[form], QuantType.QUInt8, QuantType.QUInt8, False)
    found = rules(made, NPU)
    assert {"integer_input", "integer_output", "activation_dtype", "weight_dtype", "float_output"} <= found


def test_a_peers_model_that_fits_the_cpu(tmp_path: object) -> None:
    from onnxruntime.quantization import QuantFormat, QuantType

    made = peer(tmp_path, QuantFormat.QDQ, QuantType.QUInt8, QuantType.QInt8, True)
    found = rules(made, load_target("cpu")) - {"opset"}
    assert "weight_pair" in found  # the peer uses all codes: without VNNI its neighbours saturate
    assert found <= {"weight_narrow", "weight_pair", "no_kernel"}
