"""Files that contradict themselves: the runtime's words with exit code 2, and no raw exception."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import edgeq
from edgeq.cli.main import main
from edgeq.errors import BadModel, EdgeqError
from edgeq.graph.value_types import typed_proto
from edgeq.io.load import load_proto
from edgeq.report.inspection import inspect_model
from edgeq.runtimes.judged import judged, judged_files
from edgeq.schema.target import load_target

Capture = pytest.CaptureFixture[str]
HEAD = '<ir_version: 8, opset_import: ["" : 17]> net (float[N, 3, 8, 8] x) => (float[N, A, B, C] y)'
W, S = np.ones((4, 3, 3, 3), np.float32), np.ones(4, np.float32)
#: body and weights of files that onnx.checker lets pass and that nobody can run
CONTRADICTIONS = {
    "statistics of another rank": ("c = Conv(x, w) y = BatchNormalization(c, s, s, w, s)", {"w": W, "s": S}),
    "statistics of another size": ("c = Conv(x, w) y = BatchNormalization(c, s, s, t, t)", {"w": W, "s": S, "t": np.ones(32, np.float32)}),
    "a filter without channels": ("y = Conv(x, s)", {"s": S}),
    "a bias of another size": ("y = Conv(x, w, t)", {"w": W, "t": np.ones(32, np.float32)}),
    "a product of a vector": ("f = Flatten(x) g = Gemm(f, s) y = Unsqueeze(g, a)", {"s": S, "a": np.array([2, 3])}),
    "a shape out of bounds": ("y = Reshape(x, a)", {"a": np.full(4, 1 << 62)}),
    "axes out of order": ("y = Transpose<perm = [0, 1, 1, 9]>(x)", {}),
    "a concatenation along no axis": ("y = Concat<axis = 9>(x, x)", {}),
    "an attribute of another length": ("y = MaxPool<kernel_shape = [2, 2, 2], strides = [1]>(x)", {}),
    "a split into other parts": ("y, z = Split<axis = 1>(x, a)", {"a": np.array([9, 9])}),
    "a pad for other axes": ("y = Pad(x, a)", {"a": np.array([1, 1])}),
}


def contradiction(name: str) -> onnx.ModelProto:
    body, weights = CONTRADICTIONS[name]
    model = onnx.parser.parse_model(f"{HEAD} {{ {body} }}")
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(array), key) for key, array in weights.items())
    onnx.checker.check_model(model)
    return model


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_file_that_contradicts_itself_is_refused(name: str) -> None:
    model = contradiction(name)
    with pytest.raises(EdgeqError) as caught:
        edgeq.quantize(model, {"x": np.ones((4, 3, 8, 8), np.float32)}, data_doubts="accept")
    assert "bug in edgeq." not in caught.value.fix
    try:
        inspect_model(load_proto(model), load_target("cpu"))
    except EdgeqError as error:
        assert error.fix


def test_a_mistake_of_ours_stays_one() -> None:
    text = '<ir_version: 8, opset_import: ["" : 17]> n (float[2] x) => (float[2] y) { y = Relu(x) }'
    model = load_proto(onnx.parser.parse_model(text)).model
    with pytest.raises(ZeroDivisionError), judged(model):
        raise ZeroDivisionError
    broken = load_proto(contradiction("a filter without channels")).model
    with pytest.raises(BadModel, match="contradicts itself: onnxruntime refuses"), judged(broken):
        raise ZeroDivisionError


def test_a_command_asks_about_the_files_that_it_was_given(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.onnx", tmp_path / "bad.onnx"
    onnx.save(onnx.parser.parse_model('<ir_version: 8, opset_import: ["" : 17]> n (float[2] x) => (float[2] y) { y = Relu(x) }'), good)
    onnx.save(contradiction("a filter without channels"), bad)
    with pytest.raises(BadModel, match="contradicts itself: onnxruntime refuses") as refused, judged_files([None, "text", good, bad]):
        raise ZeroDivisionError
    assert "bad.onnx" in refused.value.where
    for given in ([good], [tmp_path / "missing.onnx"], [1, "bad.onnx"]):
        with pytest.raises(ZeroDivisionError), judged_files(given):
            raise ZeroDivisionError


@pytest.mark.parametrize("command", ["convert MODEL -o OUT.tflite --no-prove", "convert MODEL -o OUT.tflite --requantize"])
@pytest.mark.parametrize("sizes", ["1, 3, 127, 8", "1, 3, 8"])
def test_a_quantized_file_whose_input_contradicts_its_layers_is_refused(command: str, sizes: str, tmp_path: Path, capsys: Capture) -> None:
    """Found by the fuzz campaign: the rows of a layer were taken for another image."""
    pytest.importorskip("tflite", reason="tflite (extra [tflite]) is not installed")
    text = """<ir_version: 8, opset_import: ["" : 17]> n (float[1, 3, 8, 8] x) => (float[1, 5] y) { f = Flatten(x) y = MatMul(f, w) }"""
    net = onnx.parser.parse_model(text)
    net.graph.initializer.append(numpy_helper.from_array(np.ones((192, 5), np.float32), "w"))
    data = {"x": np.random.default_rng(0).normal(size=(8, 3, 8, 8)).astype(np.float32)}
    made = typed_proto(edgeq.quantize(net, data, target="npu_int8", prove=False).model)
    shape = made.graph.input[0].type.tensor_type.shape
    del shape.dim[:]
    shape.dim.extend(onnx.TensorShapeProto.Dimension(dim_value=int(size)) for size in sizes.split(","))
    onnx.save(made, tmp_path / "MODEL.onnx")
    words = [str(tmp_path / "MODEL.onnx") if word == "MODEL" else word.replace("OUT", str(tmp_path / "out")) for word in command.split()]
    code = main(words)
    assert code == 2, capsys.readouterr().err
    assert not (tmp_path / "out.tflite").exists()


@pytest.mark.parametrize("seed", range(24))
def test_a_file_with_one_wrong_field_loads_or_is_refused(seed: int) -> None:
    """Seeded damage to a model of our own; whatever the file is then, nothing raw is raised."""
    body = (
        "c = Conv<strides = [1, 1], pads = [1, 1, 1, 1]>(x, w) b = Relu(c) p = MaxPool<kernel_shape = [2, 2]>(b) y = Concat<axis = 1>(p, p)"
    )
    model = onnx.parser.parse_model(f"{HEAD} {{ {body} }}")
    model.graph.initializer.append(numpy_helper.from_array(W, "w"))
    _damage(model, np.random.default_rng(seed))
    try:
        inspect_model(load_proto(model), load_target("mcu_tflite"))
    except EdgeqError as error:
        assert error.what


def _damage(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    node = model.graph.node[rng.integers(len(model.graph.node))]
    number = int(rng.choice([-1, 0, 7, 1 << 40, -(1 << 62)]))
    kind = rng.integers(6)
    if kind == 0:
        node.op_type = str(rng.choice(["Split", "Gemm", "Loop", "LSTM", "Softmax", "Resize"]))
    elif kind == 1 and node.attribute:
        attribute = node.attribute[0]
        attribute.CopyFrom(onnx.helper.make_attribute(attribute.name, [number] * 3 if attribute.ints else number))
    elif kind == 2 and node.attribute:
        node.attribute[0].CopyFrom(onnx.helper.make_attribute(node.attribute[0].name, "text"))
    elif kind == 3:
        model.graph.initializer[0].dims[int(rng.integers(4))] = number
    elif kind == 4:
        node.input[0] = str(rng.choice(["w", "x", "", "nobody"]))
    else:
        model.graph.input[0].type.tensor_type.elem_type = int(rng.choice([2, 8, 16, 99]))


def test_equal_names_are_no_contradiction(tmp_path: Path) -> None:
    twice = onnx.parser.parse_model('<ir_version: 8, opset_import: ["" : 17]> n (float[2] x) => (float[2] y) { h = Relu(x) y = Neg(h) }')
    for node in twice.graph.node:
        node.name = "one"
    onnx.save(twice, tmp_path / "twice.onnx")
    with pytest.raises(ZeroDivisionError), judged_files([tmp_path / "twice.onnx"]):
        raise ZeroDivisionError


def test_a_split_of_more_outputs_than_it_states_is_refused() -> None:
    text = '<ir_version: 8, opset_import: ["" : 18]> n (float[1, 2] x) => (float[1, 1] y) { y, z = Split<axis = 1, num_outputs = 1>(x) }'
    with pytest.raises(BadModel, match="states 1 outputs and has 2"):
        load_proto(onnx.parser.parse_model(text))
