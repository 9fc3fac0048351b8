"""Models of opset 1 to 6: every old form computes what it meant, or is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.backend.test
import onnx_ir as ir
import pytest
from onnx import numpy_helper

from edgeq.errors import UnsupportedOpset
from edgeq.graph.read import nodes
from edgeq.io.load import load_model, load_proto
from edgeq.numerics.arrays import AnyArray
from edgeq.runtimes.ort import open_session

X = np.random.default_rng(5).standard_normal((2, 3, 4, 4)).astype(np.float32)
ONE = np.array([0.5, -1.0, 2.0], np.float32)
PLANE = np.arange(12, dtype=np.float32).reshape(3, 4) - 5
FULL = np.arange(48, dtype=np.float32).reshape(3, 4, 4) / 16 + 0.5


def old_model(opset: int, body: str, weights: dict[str, AnyArray], outputs: str = "float[A, B, C, D] y") -> onnx.ModelProto:
    """A model of IR version 3, whose weights are inputs too, with x of shape [2, 3, 4, 4]."""
    model = onnx.parser.parse_model(f'<ir_version: 3, opset_import: ["" : {opset}]> net (float[2, 3, 4, 4] x) => ({outputs}) {{ {body} }}')
    for name, array in weights.items():
        tensor = numpy_helper.from_array(array, name)
        model.graph.initializer.append(tensor)
        model.graph.input.append(onnx.helper.make_tensor_value_info(name, tensor.data_type, tensor.dims))
    return model


def run(model: onnx.ModelProto) -> AnyArray:
    loaded = load_proto(model)
    assert loaded.model.opset_imports[""] == 7 or loaded.opset >= 7
    onnx.checker.check_model(ir.to_proto(loaded.model), full_check=True)
    with open_session(loaded.model) as session:
        return session.run({"x": X})[0]


def channels(array: AnyArray) -> AnyArray:
    return array[:, None, None]


NORMAL = ((X - channels(ONE)) / np.sqrt(channels(ONE**2) + 1e-5) * channels(ONE + 2) + channels(ONE)).astype(np.float32)
FORMS: dict[str, tuple[int, str, dict[str, AnyArray], AnyArray]] = {
    "axis of channels": (6, "[n] y = Add<broadcast = 1, axis = 1>(x, b)", {"b": ONE}, X + channels(ONE)),
    "axis in the middle": (6, "[n] y = Mul<broadcast = 1, axis = 1>(x, b)", {"b": PLANE}, X * PLANE[:, :, None]),
    "axis from the end": (6, "[n] y = Sub<broadcast = 1, axis = -3>(x, b)", {"b": ONE}, X - channels(ONE)),
    "last axes": (1, "[n] y = Div<broadcast = 1, consumed_inputs = [0, 0]>(x, b)", {"b": FULL}, X / FULL),
    "one number": (3, "[n] y = Sub<broadcast = 1, axis = 0>(x, b)", {"b": np.full((1, 1), 3, np.float32)}, X - 3),
    "an operand that is computed": (6, "c = Neg(b) [n] y = Add<broadcast = 1, axis = 1>(x, c)", {"b": ONE}, X - channels(ONE)),
    "axes behind a Reshape of opset 1": (
        1, "r = Reshape<shape = [0, 3, 2, 8]>(x) [n] y = Add<broadcast = 1, axis = 1>(r, b)", {"b": ONE},
        X.reshape(2, 3, 2, 8) + channels(ONE),
    ),
    "slopes of channels": (6, "[n] y = PRelu(x, b)", {"b": ONE}, np.where(X < 0, X * channels(ONE), X)),
    "one slope": (1, "[n] y = PRelu<consumed_inputs = [0, 0]>(x, b)", {"b": ONE[:1]}, np.where(X < 0, X * ONE[0], X)),
    "normalized": (
        6, "[n] y = BatchNormalization<is_test = 1>(x, s, b, m, v)", {"s": ONE + 2, "b": ONE, "m": ONE, "v": ONE**2}, NORMAL,
    ),
    "normalized with outputs of training": (
        1, "[n] y, m1, v1, m2, v2 = BatchNormalization<consumed_inputs = [0, 0, 0, 1, 1]>(x, s, b, m, v)",
        {"s": ONE + 2, "b": ONE, "m": ONE, "v": ONE**2}, NORMAL,
    ),
    "normalized at each position": (
        7, "[n] y = BatchNormalization<spatial = 0>(x, s, b, m, v)", {"s": FULL, "b": FULL, "m": FULL, "v": FULL**2},
        (X - FULL) / np.sqrt(FULL**2 + 1e-5) * FULL + FULL,
    ),
    "defaults of opset 1": (
        1, "[n] y = Selu(x)", {}, 1.0507 * np.where(X > 0, X, 1.6732 * (np.exp(X) - 1)).astype(np.float32),
    ),
    "no axis of a Concat": (1, "[n] y = Concat(x, x)", {}, np.concatenate([X, X], 1)),
    "paddings": (1, "[n] y = Pad<paddings = [0, 0, 1, 0, 0, 0, 2, 1]>(x)", {}, np.pad(X, ((0, 0), (0, 0), (1, 2), (0, 1)))),
    "a type in words": (1, '[n] i = Cast<to = "INT32">(x) y = Cast<to = "float">(i)', {}, np.trunc(X)),
    "two scales": (1, '[n] y = Upsample<height_scale = 2.0, width_scale = 3.0>(x)', {}, X.repeat(2, 2).repeat(3, 3)),
    "a power that is a float": (1, "[n] y = LpPool<kernel_shape = [4, 4], p = 2.0>(x)", {}, np.sqrt((X**2).sum((2, 3), keepdims=True))),
    "sizes as an input": (
        1, "[n] p, q = Split<axis = 1>(x, n1) y = Concat<axis = 1>(q, p)", {"n1": np.array([1, 2], np.float32)}, X[:, [1, 2, 0]],
    ),
    "repeated along one axis": (
        1, "[n] y = Tile(x, t, a)", {"t": np.array([2], np.float32), "a": np.array([3], np.float32)}, np.tile(X, (1, 1, 1, 2)),
    ),
    "dropped by default": (6, "[n] y = Dropout<ratio = 0.5>(x)", {}, X),
    "compared": (
        1, '[n] c = Greater<broadcast = 1, axis = 1>(x, b) y = Cast<to = "FLOAT">(c)', {"b": ONE}, (channels(ONE) < X).astype(np.float32),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_an_old_form_computes_what_it_meant(name: str) -> None:
    opset, body, weights, wanted = FORMS[name]
    model = old_model(opset, body, weights)
    onnx.checker.check_model(model)
    np.testing.assert_allclose(run(model), wanted, rtol=2e-5, atol=2e-6)
    assert "n" in {node.name for node in nodes(load_proto(model).model)}


def test_a_product_with_a_bias_in_the_way_of_opset_6() -> None:
    body = "f = Flatten(x) y = Gemm<broadcast = 1, transB = 1, alpha = 2.0>(f, w, b)"
    weights = {"w": X.reshape(2, 48)[:, ::-1].copy(), "b": ONE[:2]}
    found = run(old_model(6, body, weights, "float[2, 2] y"))
    np.testing.assert_allclose(found, 2 * X.reshape(2, 48) @ weights["w"].T + ONE[:2], rtol=1e-4)


def test_bodies_are_read_as_well() -> None:
    body = """y = If(c) <then_branch = g () => (float[2, 3, 4, 4] v) { [inner] v = Add<broadcast = 1, axis = 1>(x, b) },
        else_branch = h () => (float[2, 3, 4, 4] w) { w = Selu<consumed_inputs = [0]>(x) }>"""
    np.testing.assert_allclose(run(old_model(1, body, {"b": ONE, "c": np.array([True])})), X + channels(ONE))


@pytest.mark.parametrize(
    ("opset", "body", "weights", "says"),
    [
        (6, "[n] y, m, v, s, t = BatchNormalization(x, b, b, b, b) z = Neg(m)", {"b": ONE}, "running mean"),
        (1, "[n] p, q = Split<split = [1, 2]>(x) y = Concat<axis = 1>(q, p)", {}, "no axis"),
        (6, "[n] y = Add<broadcast = 1, axis = 3>(x, b)", {"b": PLANE}, "does not fit at axis 3"),
        (1, '[n] y = Cast<to = "NUMBER">(x)', {}, "attribute to is 'NUMBER'"),
        (1, "t = Neg(t0) [n] y = Tile(x, t, a)", {"t0": ONE[:1], "a": ONE[:1]}, "the count is computed"),
    ],
)
def test_what_opset_7_cannot_say_is_refused_by_name(opset: int, body: str, weights: dict[str, AnyArray], says: str) -> None:
    outputs = "float[A, B, C, D] y, float[C] z" if "z =" in body else "float[A, B, C, D] y"
    with pytest.raises(UnsupportedOpset, match=says) as caught:
        load_proto(old_model(opset, body, weights, outputs))
    assert "node n" in caught.value.where


def test_a_file_older_than_opsets_holds_operators_of_opset_1() -> None:
    model = old_model(1, "[n] y = Concat(x, x)", {})
    del model.opset_import[:]
    model.ir_version = 2
    loaded = load_proto(model)
    assert (loaded.opset, loaded.model.ir_version) == (1, 4)
    assert loaded.notes == ("opset 1 was read as opset 7: onnxruntime has no kernels for older operators",)


def test_a_newer_model_stays_as_it_is() -> None:
    loaded = load_proto(old_model(9, "[n] y = Add(x, b)", {"b": FULL}))
    assert (loaded.opset, loaded.model.opset_imports[""], loaded.notes) == (9, 9, ())
    assert [value.name for value in loaded.model.graph.inputs] == ["x"]
    assert loaded.model.ir_version == 4


DATA = Path(onnx.backend.test.__file__).parent / "data"
#: models that PyTorch exported in opset 6, with what they compute; ONNX ships them
EXPORTED = sorted(DATA.glob("pytorch-*/*/model.onnx"))


@pytest.mark.parametrize("path", EXPORTED[::9], ids=lambda path: path.parent.name)
def test_what_pytorch_exported_in_opset_6_computes_what_it_did(path: Path) -> None:
    loaded = load_model(path)

    def tensor(name: str) -> AnyArray:
        return numpy_helper.to_array(onnx.TensorProto.FromString((path.parent / "test_data_set_0" / f"{name}.pb").read_bytes()))

    feeds = {str(value.name): tensor(f"input_{index}") for index, value in enumerate(loaded.model.graph.inputs)}
    with open_session(loaded.model) as session:
        for index, found in enumerate(session.run(feeds)):
            np.testing.assert_allclose(found, tensor(f"output_{index}"), rtol=1e-3, atol=1e-5)


def test_there_are_such_models() -> None:
    assert len(EXPORTED) > 100
