"""Operators of common exports in torch against onnxruntime, in every form that is run."""

from __future__ import annotations

import onnx.parser
import onnx_ir as ir
import pytest

torch = pytest.importorskip("torch", reason="extra [learn] is not installed")

from edgeq.errors import UnsupportedOp  # noqa: E402
from tests.learn.simulation.test_executor import differ  # noqa: E402

HEAD = '<ir_version: 8, opset_import: ["": 17]> net (float[2,4,5,6] x) => ({outputs}) '
FORMS = {
    "transposed convolution": (
        "<float[4,3,3,2] w, float[6] b>",
        "y = ConvTranspose<strides = [2, 3], pads = [1, 0, 0, 1], output_padding = [1, 2], group = 2>(x, w, b)",
    ),
    "batch normalization": (
        "<float[4] g, float[4] b, float[4] m, float[4] v = {1.0, 0.5, 2.0, 3.0}>",
        "y = BatchNormalization<epsilon = 0.01>(x, g, b, m, v)",
    ),
    "instance normalization": ("<float[4] g, float[4] b>", "y = InstanceNormalization(x, g, b)"),
    "squeezed": ("<int64[1] one = {1}, int64[1] axis = {-1}>", "r = ReduceSum(x, axis)  y = Squeeze(r, axis)"),
    "reductions": (
        "",
        "a = Abs(x)  l = ReduceL2<axes = [1]>(a)  h = ReduceMax<axes = [2, 3]>(a)  m = ReduceMean(a)  i = ReduceMin<axes = [-1]>(a)"
        " s = Add(l, h)  t = Add(s, m)  y = Add(t, i)",
    ),
    "dropped axes": ("", "y = ReduceMean<axes = [2, 3], keepdims = 0>(x)"),
    "split": ("<int64[2] parts = {1, 3}>", "p, q = Split<axis = 1>(x, parts)  e, f = Split<axis = 3>(q)  y = Concat<axis = 3>(f, e)"),
    "second part alone": ("<int64[2] parts = {1, 3}>", "p, q = Split<axis = 1>(x, parts)  y = Neg(q)"),
    "depth to space": ("", 'a = DepthToSpace<blocksize = 2>(x)  b = DepthToSpace<blocksize = 2, mode = "CRD">(x)  y = Sub(a, b)'),
    "functions": (
        "<float[1] two = {2.0}, float[4,1,1] slope, float[1] c = {0.25}>",
        "a = Abs(x)  b = Add(a, c)  d = Log(b)  e = Sqrt(b)  f = Reciprocal(b)  g = Pow(b, two)  h = Max(d, e, f)  i = Min(h, g)"
        " j = Elu<alpha = 0.5>(x)  k = LeakyRelu<alpha = 0.2>(x)  l = PRelu(x, slope)  m = Add(j, k)  n = Add(l, m)  y = Add(i, n)",
    ),
    "rounded": ("<float[1] c = {3.0}>", "a = Mul(x, c)  b = Ceil(a)  d = Floor(a)  y = Sub(b, d)"),
    "sum of three": ("", "a = Abs(x)  b = Neg(x)  y = Sum(a, x, b)"),
    "tiled": ("<int64[4] often = {1, 2, 1, 3}>", "y = Tile(x, often)"),
}
RESIZES = [
    ("nearest", "asymmetric", "floor", "{1.0, 1.0, 2.0, 3.0}"),
    ("nearest", "half_pixel", "round_prefer_floor", "{1.0, 1.0, 2.0, 1.7}"),
    ("nearest", "half_pixel", "round_prefer_ceil", "{1.0, 1.0, 0.5, 1.5}"),
    ("nearest", "asymmetric", "ceil", "{1.0, 1.0, 1.6, 0.6}"),
    ("linear", "half_pixel", "floor", "{1.0, 1.0, 2.0, 2.5}"),
    ("linear", "pytorch_half_pixel", "floor", "{1.0, 1.0, 0.2, 2.0}"),
    ("linear", "align_corners", "floor", "{1.0, 1.0, 2.0, 3.0}"),
    ("linear", "asymmetric", "floor", "{1.0, 1.0, 2.0, 0.5}"),
]


def model(constants: str, body: str) -> ir.Model:
    """The net; constants without values get random ones."""
    import numpy as np

    proto = onnx.parser.parse_model(HEAD.format(outputs="float[?,?,?,?] y") + constants + " { " + body + " }")
    made = ir.from_proto(proto)
    rng = np.random.default_rng(0)
    for node in made.graph:
        for value in node.inputs:
            if value is not None and value.producer() is None and value.const_value is None and not value.is_graph_input():
                shape = tuple(int(d) for d in value.shape or ())
                value.const_value = ir.tensor(rng.normal(size=shape).astype(np.float32), name=value.name)
                made.graph.initializers[str(value.name)] = value
    made.graph.outputs[0].shape = None
    return made


@pytest.mark.parametrize("form", FORMS)
def test_operators_of_common_exports_equal_onnxruntime(form: str) -> None:
    assert differ(model(*FORMS[form])) <= 1e-5


@pytest.mark.parametrize(("mode", "how", "way", "scales"), RESIZES)
def test_resizing_equals_onnxruntime(mode: str, how: str, way: str, scales: str) -> None:
    words = f'mode = "{mode}", coordinate_transformation_mode = "{how}", nearest_mode = "{way}"'
    assert differ(model(f"<float[4] s = {scales}>", f"y = Resize<{words}>(x, , s)")) <= 1e-5


def test_resizing_to_sizes_equals_onnxruntime() -> None:
    assert differ(model("<int64[4] s = {2, 4, 7, 9}>", 'y = Resize<mode = "linear">(x, , , s)')) <= 1e-5


def test_other_forms_are_refused_by_name() -> None:
    with pytest.raises(UnsupportedOp, match="Resize of this form"):
        differ(model("<float[4] s = {1.0, 1.0, 2.0, 2.0}>", 'y = Resize<mode = "cubic">(x, , s)'))
