"""The executor in torch computes what onnxruntime computes, passes gradients on, and names what it
cannot run.
"""

from __future__ import annotations

import numpy as np
import onnx.parser
import onnx_ir as ir
import pytest

from edgeq.errors import UnsupportedOp
from edgeq.graph.signature import input_specs
from edgeq.io.load import load_model
from edgeq.rewrite.prepare import prepare
from edgeq.runtimes.ort import open_session
from tests.zoo import zoo_model

torch = pytest.importorskip("torch", reason="extra [learn] is not installed")

ZOO = (
    "mobilenetv1_025_imagenet",
    "squeezenet1_1_imagenet",
    "resnet8_cifar10",
    "resnet20_cifar10",
    "mobilenetv1_025_vww",
    "dscnn_kws",
    "fc_autoencoder_toycar",
    "kwt1_kws",
    "rfb320_face",
)
NET = """
<ir_version: 8, opset_import: ["": 13]>
net (float[2,3,9,8] x) => (float[2,5] p, float[2,6,4,3] m)
<float[6,3,3,3] w, float[6] b, float[5,6] g, float[5] c, float low = {0}, float high = {6}> {
  y = Conv<pads = [0, 1, 2, 1], strides = [2, 2]>(x, w, b)
  a = Clip(y, low, high)
  n = AveragePool<kernel_shape = [3, 3], pads = [0, 1, 1, 1], strides = [1, 1]>(a)
  m = MaxPool<kernel_shape = [2, 2], pads = [0, 0, 1, 0], strides = [1, 1]>(a)
  s = GlobalAveragePool(n)
  f = Flatten(s)
  l = Gemm<transB = 1>(f, g, c)
  p = Softmax(l)
}
"""


def _net() -> ir.Model:
    model = ir.from_proto(onnx.parser.parse_model(NET))
    rng = np.random.default_rng(0)
    for name, shape in {"w": (6, 3, 3, 3), "b": (6,), "g": (5, 6), "c": (5,)}.items():
        value = next(v for node in model.graph for v in node.inputs if v is not None and v.name == name)
        value.const_value = ir.tensor(rng.normal(size=shape).astype(np.float32), name=name)
        model.graph.initializers[name] = value
    return model


def differ(model: ir.Model, free: int = 2) -> float:
    """The largest difference of an output from onnxruntime's, relative to the output's largest
    number. free: size of dynamic dimensions.
    """
    from edgeq.learn.simulation.executor import Executor

    rng = np.random.default_rng(1)
    feeds = {}
    for spec in input_specs(model):
        shape = [size if isinstance(size, int) else free for size in spec.shape]
        feeds[spec.name] = rng.normal(size=shape).astype(np.float32)
    wanted = open_session(model).run(feeds)
    with torch.no_grad():
        found = Executor(model).forward({name: torch.from_numpy(array) for name, array in feeds.items()})
    pairs = zip(wanted, found.values(), strict=True)
    return max(float(np.abs(one - two.numpy()).max() / max(float(np.abs(one).max()), 1e-12)) for one, two in pairs)


def test_layers_and_pools_equal_onnxruntime() -> None:
    assert differ(_net()) <= 1e-5


def test_functions_and_movement_equal_onnxruntime() -> None:
    text = """<ir_version: 8, opset_import: ["": 14]>
net (float[2,3,6] x) => (float[?,?,?] y, float[?,?,?] r)
<int64[6] pads = {0, 1, 0, 0, 0, 2}, int64[1] start = {1},
 int64[1] end = {99}, int64[1] axis = {2}, int64[1] step = {2}, int64[3] shape = {0, -1, 2}> {
  p = Pad(x, pads)
  s = Slice(p, start, end, axis, step)
  h = HardSwish(s)
  g = HardSigmoid<alpha = 0.3>(s)
  t = Tanh(s)
  k = Sigmoid(t)
  d = Div(h, k)
  u = Sub(d, g)
  c = Concat<axis = 1>(u, t)
  y = Transpose<perm = [2, 0, 1]>(c)
  r = Reshape(c, shape)
}"""
    assert differ(ir.from_proto(onnx.parser.parse_model(text))) <= 1e-5


@pytest.mark.parametrize("name", ZOO)
def test_zoo_models_equal_onnxruntime(name: str) -> None:
    assert differ(prepare(load_model(zoo_model(name)).model).model) <= 1e-4


def test_a_zoo_model_of_any_size_equals_onnxruntime() -> None:
    assert differ(prepare(load_model(zoo_model("ppocr_cls_mbv3se")).model).model, free=48) <= 1e-4


def test_transformer_operators_equal_onnxruntime() -> None:
    text = """<ir_version: 9, opset_import: ["": 20]>
net (float[2,3,4] x) => (float[?,?,?] y, float[?,?,?,?] e, float[?,?,?] w, float[?,?] z)
<float[4] scale = {1.0, 2.0, 0.5, -1.0}, float[4] bias = {0.0, 1.0, 0.0, 0.5}, int64[2] index = {-1, 0}, int64[1] axis = {-1},
 int64[4] shape = {2, 2, 4, 3}, int64[1] first = {0}, int64[2] s2 = {3, 2}> {
  n = LayerNormalization<axis = -1>(x, scale, bias)
  a = Gelu(n)
  b = Gelu<approximate = "tanh">(n)
  f = Erf(x)
  h = Exp(f)
  k = Mul(a, h)
  y = Add(k, b)
  g = Gather<axis = 1>(y, index)
  u = Unsqueeze(g, axis)
  e = Expand(u, shape)
  s = Shape<start = 1>(x)
  i = Cast<to = 1>(s)
  j = Unsqueeze(i, first)
  z = Expand(j, s2)
  q = Equal(x, x)
  w = Where(q, x, y)
}"""
    assert differ(ir.from_proto(onnx.parser.parse_model(text))) <= 1e-5


def test_gradients_reach_every_weight() -> None:
    from edgeq.learn.simulation.executor import Executor

    executor = Executor(_net())
    for name in "wbgc":
        executor.parameters[name].requires_grad_()
    out = executor.forward({"x": torch.ones(2, 3, 9, 8)}, want=["l"])
    out["l"].square().sum().backward()
    assert all(bool(executor.parameters[name].grad.abs().sum() > 0) for name in "wbgc")


def test_an_unknown_operator_is_named() -> None:
    from edgeq.learn.simulation.executor import Executor

    text = '<ir_version: 8, opset_import: ["": 13]> net (float[3] x) => (float[3] y) { y = Softplus(x) }'
    with pytest.raises(UnsupportedOp, match="Softplus"):
        Executor(ir.from_proto(onnx.parser.parse_model(text)))
