"""What runs in float between integers: the runtime's own numbers in the simulation, torch's
gradients, no path through integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import onnx
import onnx_ir as ir
import pytest

torch = pytest.importorskip("torch", reason="torch (extra [learn]) is not installed")

from edgeq.learn.operators.quantized import QUANTIZED_OPERATORS  # noqa: E402
from edgeq.learn.simulation.executor import Executor  # noqa: E402
from edgeq.learn.simulation.float_islands import float_islands  # noqa: E402
from edgeq.schema.recipe import Recipe  # noqa: E402
from tests.learn_room import Classroom, classroom  # noqa: E402
from tests.small_models import text_model  # noqa: E402
from tests.zoo import zoo_model  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_torch_thread")

HEAD = '<ir_version: 9, opset_import: ["": 20]> net (float[N, 32, 64] x) => (float[N, 32, 64] y, float[N, 32, ?] f) '
#: what makes f of h [N, 32, 64], which comes out of an integer kernel
FUNCTIONS = {
    "LayerNormalization": "f = LayerNormalization(h, g, b)",
    "normalized sum": "a = Add(h, x)  f = LayerNormalization(a, g, b)",
    "Gelu": "f = Gelu(h)",
    "Gelu of tanh": 'f = Gelu<approximate = "tanh">(h)',
    "Gelu written out": "a = Div(h, root)  e = Erf(a)  i = Add(e, one)  m = Mul(h, i)  f = Mul(m, half)",
    "biased Gelu": "a = Add(h, b)  f = Gelu(a)",
    "Softmax": "f = Softmax(h)",
    "attention": "t = Transpose<perm = [0, 2, 1]>(h)  p = MatMul(h, t)  s = Mul(p, half)  q = Softmax(s)  f = MatMul(q, h)",
    "Tanh": "f = Tanh(h)",
}


def floats_between(function: str, effort: Literal["fast", "default"] = "fast") -> Classroom:
    """A product in integers, a function in float, a product in integers."""
    rng = np.random.default_rng(0)
    weights = {name: (rng.normal(size=(64, 64)) / 8).astype(np.float32) for name in "wv"}
    weights |= {"g": rng.uniform(0.5, 2, 64).astype(np.float32), "b": rng.normal(size=64).astype(np.float32)}
    weights |= {"root": np.float32(np.sqrt(2)), "one": np.float32(1), "half": np.float32(0.5)}
    body = f"{{ [first] h = MatMul(x, w)  {FUNCTIONS[function]}  [second] y = MatMul(f, v) }}"
    used = {name: array for name, array in weights.items() if name in "wv" or f"{name})" in body or f"{name}," in body}
    return classroom(text_model(HEAD + body, used), "cpu", Recipe(effort=effort))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_floats_between_integers_are_the_runtimes(function: str) -> None:
    room = floats_between(function)
    assert room.plan.nodes["first"].runs == room.plan.nodes["second"].runs == "int8"
    assert {name: difference.max() for name, difference in room.differences().items()} == {"y": 0, "f": 0}
    room.learn(3, 0.1)
    assert room.student.learned() != room.plan
    assert {name: difference.max() for name, difference in room.differences().items()} == {"y": 0, "f": 0}


def test_grids_of_every_run_are_the_runtimes() -> None:
    room = floats_between("biased Gelu", "default")
    assert room.plan.nodes["first"].runs == "dynamic"
    room.learn(3, 0.3)
    assert {name: difference.max() for name, difference in room.differences().items()} == {"y": 0, "f": 0}


def test_what_the_runtime_says_to_one_sample_holds_for_a_batch() -> None:
    room = floats_between("attention")
    with torch.no_grad():
        batch = room.student.forward(room.tensors())
        for at in range(2):
            one = room.student.forward({name: tensor[at : at + 1] for name, tensor in room.tensors().items()})
            assert torch.equal(one["f"], batch["f"][at : at + 1])


def model_of(text: str, weights: Mapping[str, np.ndarray]) -> ir.Model:
    return ir.from_proto(text_model(f'<ir_version: 9, opset_import: ["": 20]> net {text}', weights))


def test_gradients_are_those_of_torch() -> None:
    model = model_of("(float[4, 8] x) => (float[4, 8] y) { a = Gelu(x)  b = Softmax(a)  y = Mul(b, a) }", {})
    x = torch.linspace(-3, 3, 32).reshape(4, 8)
    found = []
    for steps in ((), float_islands(model, {str(node.name) for node in model.graph}, set())):
        given = x.clone().requires_grad_()
        y = Executor(model, QUANTIZED_OPERATORS, steps).forward({"x": given})["y"]
        torch.autograd.backward(y.square().sum())
        found.append((y.detach(), given.grad))
    assert not torch.equal(found[0][0], found[1][0])
    assert torch.allclose(found[0][1], found[1][1], rtol=1e-4, atol=1e-7)


RESIDUAL = """(float[2, 8] x) => (float[2, 8] y, int64[2] n) <float s = {0.05}, uint8 z = {128}> {
  [before] a = Gelu(x)  [to] q = QuantizeLinear(a, s, z)  [from] d = DequantizeLinear(q, s, z)
  [after] e = Tanh(d)  [bias] c = Add(e, w)  [around] y = Add(c, a)  [late] m = Gelu(a)  [size] n = Shape(m) }"""


def test_islands_lie_between_integers_and_in_order() -> None:
    model = model_of(RESIDUAL, {"w": np.ones(8, np.float32)})
    steps = float_islands(model, {"before", "after", "bias", "around", "late", "size"}, set())
    assert [[str(node.name) for node in step.nodes] for step in steps] == [
        ["before"],
        ["to"],
        ["from"],
        ["after", "bias", "around", "late", "size"],
    ]
    assert [step.session is not None for step in steps] == [True, False, False, True]
    alone = Executor(model, QUANTIZED_OPERATORS).forward({"x": torch.ones(2, 8)})
    together = Executor(model, QUANTIZED_OPERATORS, steps).forward({"x": torch.ones(2, 8)}, ("c",))
    assert torch.allclose(alone["y"], together["y"])
    assert together["c"].shape == (2, 8)  # an inner value of an island
    assert together["n"].tolist() == [2, 8]


def test_learned_constants_are_read_at_every_run() -> None:
    model = model_of(RESIDUAL, {"w": np.ones(8, np.float32)})
    run = Executor(model, QUANTIZED_OPERATORS, float_islands(model, {"after", "bias", "around"}, {"w"}))
    with torch.no_grad():
        first, then = (run.forward({"x": torch.ones(2, 8), "w": torch.full((8,), w)})["y"] for w in (1.0, 3.0))
    assert torch.allclose(then - first, torch.tensor(2.0))


def test_nothing_is_asked_of_the_runtime_where_nothing_is_computed_in_float() -> None:
    text = "(float[2, 3, 4] x) => (float[2, 12] y) { a = Relu(x)  b = Transpose<perm = [0, 2, 1]>(a)  y = Flatten(b) }"
    model = model_of(text, {})
    names = {str(node.name) for node in model.graph}
    assert all(step.session is None for step in (*float_islands(model, names, set()), *float_islands(model, set(), set())))


@pytest.mark.parametrize(("name", "sizes"), [("kwt1_kws", {}), ("ppocr_cls_mbv3se", {"H": 48, "W": 192})])
def test_exported_equals_simulated_on_real_models(name: str, sizes: Mapping[str, int]) -> None:
    proto = onnx.load(zoo_model(name))
    for dim in proto.graph.input[0].type.tensor_type.shape.dim:
        if dim.dim_param in sizes:
            dim.dim_value = sizes[dim.dim_param]
    room = classroom(proto, "cpu", Recipe(effort="fast"))
    room.learn(2, 0.1)
    assert room.student.learned() != room.plan
    assert max(float(difference.max()) for difference in room.differences().values()) == 0
