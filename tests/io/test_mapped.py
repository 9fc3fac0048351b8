"""Weights of external data stay in their files: what is read, what is checked, what is written."""

from __future__ import annotations

import gc
import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.errors import BadModel, InputChanged
from edgeq.graph.edit import add_constant
from edgeq.graph.read import constant
from edgeq.io import mapped
from edgeq.io.load import load_model, load_proto
from edgeq.io.mapped import MappedTensor, spilling
from edgeq.io.save import save_model
from edgeq.io.writing import external_form
from edgeq.io.writing.external_form import written_size
from edgeq.runtimes.ort import open_session

HEAD = '<ir_version: 9, opset_import: ["" : 17]> '
#: two layers, of which one has a weight that is mapped (256 KiB) and one a small one
NET = HEAD + "net (float[N, 256] x) => (float[N, 8] y) { h = MatMul(x, w)  y = MatMul(h, v) }"
#: a weight in the body of an If, and one that a Constant node holds
BODY = HEAD + (
    "net (float[N, 256] x, bool c) => (float[N, 256] y) { a = MatMul(x, w)  y = If(c) <"
    "then_branch = t () => (float[N, 256] o) { o = MatMul(a, u) }, else_branch = e () => (float[N, 256] p) { p = Identity(a) }> }"
)


def weight(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def external(name: str, array: np.ndarray, folder: Path, location: str, offset: int = 0) -> onnx.TensorProto:
    """A tensor at an offset of a file, which is written."""
    path = folder / location
    path.parent.mkdir(exist_ok=True)
    content = path.read_bytes() if path.exists() else b""
    path.write_bytes(content.ljust(offset, b"\0") + array.tobytes())
    made = onnx.TensorProto(name=name, data_type=onnx.helper.np_dtype_to_tensor_dtype(array.dtype), dims=array.shape)
    made.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", array.nbytes)):
        made.external_data.add(key=key, value=str(value))
    return made


def saved(tmp_path: Path, text: str, **weights: onnx.TensorProto) -> Path:
    proto = onnx.parser.parse_model(text)
    proto.graph.initializer.extend(weights.values())
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    return tmp_path / "m.onnx"


def two_files(tmp_path: Path) -> Path:
    """Weights in two files of two folders, one of them not at the beginning of its file."""
    w, v = weight(0, 256, 256), weight(1, 256, 8)
    return saved(tmp_path, NET, w=external("w", w, tmp_path, "w.bin", 4096), v=external("v", v, tmp_path, "inner/v.bin"))


def test_large_weights_stay_in_their_files_and_small_ones_are_read(tmp_path: Path) -> None:
    path = two_files(tmp_path)
    loaded = load_model(path)
    w, v = (loaded.model.graph.initializers[name].const_value for name in "wv")
    assert isinstance(w, MappedTensor)
    assert (w.path, w.offset) == ((tmp_path / "w.bin").resolve(), 4096)
    assert not isinstance(v, MappedTensor)
    assert v is not None
    np.testing.assert_array_equal(w.numpy(), weight(0, 256, 256))
    np.testing.assert_array_equal(v.numpy(), weight(1, 256, 8))


def test_the_hash_is_that_of_the_file_and_its_data_in_order(tmp_path: Path) -> None:
    path = two_files(tmp_path)
    content = path.read_bytes() + weight(0, 256, 256).tobytes() + weight(1, 256, 8).tobytes()
    loaded = load_model(path)
    assert (loaded.hash, loaded.size) == (hashlib.sha256(content).hexdigest(), len(content))


def test_weights_of_bodies_and_of_constant_nodes_are_mapped(tmp_path: Path) -> None:
    u, k = weight(2, 256, 256), weight(3, 256, 256)
    proto = onnx.load(saved(tmp_path, BODY, w=external("w", weight(0, 256, 256), tmp_path, "w.bin")), load_external_data=False)
    proto.graph.node[1].attribute[0].g.initializer.append(external("u", u, tmp_path, "u.bin"))
    proto.graph.node.insert(0, onnx.helper.make_node("Constant", [], ["k"], value=external("k", k, tmp_path, "k.bin")))
    proto.graph.node[1].input[1] = "k"
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    model = load_model(tmp_path / "m.onnx").model
    branch = model.graph.node(2).attributes["then_branch"].as_graph()
    assert isinstance(branch.initializers["u"].const_value, MappedTensor)
    found = constant(model.graph.node(0).outputs[0])
    assert found is not None
    np.testing.assert_array_equal(found, k)
    x = weight(4, 2, 256)
    with open_session(model, optimize="off") as session:
        got = session.run({"x": x, "c": np.array(True)})[0]
    np.testing.assert_allclose(got, x @ k @ u, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("kind", [np.float16, np.int8, np.int64])
def test_other_types_of_whole_bytes_are_mapped(tmp_path: Path, kind: type[np.generic]) -> None:
    array = (np.arange(1 << 17).reshape(512, 256) % 100).astype(kind)
    text = HEAD + "net (float[N] x) => (float[N] y, int64[2] s) { y = Identity(x)  s = Shape(w) }"
    model = load_model(saved(tmp_path, text, w=external("w", array, tmp_path, "w.bin"))).model
    tensor = model.graph.initializers["w"].const_value
    assert isinstance(tensor, MappedTensor)
    np.testing.assert_array_equal(tensor.numpy(), array)


def test_a_file_that_became_shorter_is_an_error(tmp_path: Path) -> None:
    model = load_model(two_files(tmp_path)).model
    (tmp_path / "w.bin").write_bytes(b"\0" * 5000)
    with pytest.raises(InputChanged, match="cannot be read any more"):
        constant(model.graph.initializers["w"])


def test_the_checker_still_sees_what_is_wrong_with_the_nodes(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="not valid ONNX"):
        load_model(saved(tmp_path, NET.replace("h = MatMul(x, w)", "h = MatMul(x)"), v=external("v", weight(1, 256, 8), tmp_path, "v.bin")))


def test_a_model_in_memory_may_not_keep_its_weights_elsewhere(tmp_path: Path) -> None:
    proto = onnx.load(two_files(tmp_path), load_external_data=False)
    with pytest.raises(BadModel, match="keeps weights in other files"):
        load_proto(proto)


def test_what_is_written_holds_the_mapped_weights(tmp_path: Path) -> None:
    model = load_model(two_files(tmp_path)).model
    save_model(model, tmp_path / "whole.onnx")
    save_model(model, tmp_path / "parted.onnx", external_data=True)
    for name in ("whole", "parted"):
        again = load_model(tmp_path / f"{name}.onnx").model
        for key in "wv":
            np.testing.assert_array_equal(constant(again.graph.initializers[key]), constant(model.graph.initializers[key]))


@pytest.mark.parametrize("limit", [1 << 31, 0])
def test_the_size_is_known_without_writing(tmp_path: Path, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external_form, "IN_ONE_FILE_BYTES", limit)
    monkeypatch.setattr("edgeq.io.file_set.IN_ONE_FILE_BYTES", limit)
    model = load_model(two_files(tmp_path)).model
    for name, shape in (("a", (3, 1000)), ("b", (700,)), ("c", (2,))):
        add_constant(model.graph, weight(9, *shape), name)
    out = tmp_path / "out"
    out.mkdir()
    save_model(model, out / "model.onnx")
    assert written_size(model) == sum(path.stat().st_size for path in out.iterdir())


def test_large_constants_are_put_into_files_that_go_with_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(mapped, "SPILLED_FROM_BYTES", 1 << 16)
    graph, arrays = ir.Graph([], [], nodes=[]), [weight(seed, 256, 256) for seed in range(2)]
    with spilling():
        first, second = (add_constant(graph, array, f"c{place}") for place, array in enumerate(arrays))
        small = add_constant(graph, np.zeros(3, np.float32), "s")
    assert [isinstance(value.const_value, MappedTensor) for value in (first, second, small)] == [True, True, False]
    np.testing.assert_array_equal(constant(second), arrays[1])
    assert len(list(tmp_path.rglob("*.bin"))) == 2
    first.const_value = None
    gc.collect()
    assert len(list(tmp_path.rglob("*.bin"))) == 1
    second.const_value = None
    gc.collect()
    assert not list(tmp_path.iterdir())


def test_without_room_a_constant_stays_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    monkeypatch.setattr(mapped, "SPILLED_FROM_BYTES", 1)
    with spilling():
        value = add_constant(ir.Graph([], [], nodes=[]), weight(0, 256, 256), "c")
    np.testing.assert_array_equal(constant(value), weight(0, 256, 256))
