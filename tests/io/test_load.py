"""Reading models: every kind of broken or hostile file gives one clear error; odd but valid ones
load.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeq.errors import BadModel, UnsupportedOpset
from edgeq.graph.read import constant, graphs, nodes, values
from edgeq.io.load import load_model, load_proto

CONV = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[N, 1, 4, 4] x) => (float[N, 1, 4, 4] y) <float[1, 1, 1, 1] w = {2.0}> {
    c = Conv(x, w)
    y = Relu(c)
}
"""


def proto(text: str = CONV) -> onnx.ModelProto:
    return onnx.parser.parse_model(text)


def with_external(folder: Path, location: str, *, length: int = 4, content: bytes | None = b"\0\0\0@") -> Path:
    """A model whose only weight lies in `location`; `content` goes to data.bin."""
    model = proto()
    weight = model.graph.initializer[0]
    weight.ClearField("float_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(length))):
        weight.external_data.add(key=key, value=value)
    if content is not None:
        (folder / "data.bin").write_bytes(content)
    return save(folder, model)


def save(folder: Path, model: onnx.ModelProto | bytes) -> Path:
    path = folder / "m.onnx"
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return path


def test_loads_a_model_with_its_hash_and_size(tmp_path: Path) -> None:
    loaded = load_model(save(tmp_path, proto()))
    assert [node.op_type for node in nodes(loaded.model)] == ["Conv", "Relu"]
    assert len(loaded.hash) == 64
    assert loaded.size == (tmp_path / "m.onnx").stat().st_size
    assert load_proto(proto()).hash == loaded.hash


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>404</html>", "text"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"\x1c\0\0\0TFL3" + bytes(64), "TensorFlow Lite"),
        (b"\x18\0\0\0ORTM" + bytes(64), ".ort"),
        (b"PK\x03\x04" + bytes(64), "zip"),
        (b"\x89HDF\r\n\x1a\n" + bytes(64), "HDF5"),
        (bytes(range(256)), "damaged"),
        (proto().SerializeToString()[:-9], "damaged"),
        (onnx.ModelProto(ir_version=8).SerializeToString(), "no ONNX model"),
    ],
)
def test_refuses_files_that_are_no_onnx_model(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(BadModel) as error:
        load_model(save(tmp_path, content))
    assert says in error.value.what
    assert str(tmp_path) in error.value.where
    assert error.value.fix


def archive(*names: str) -> bytes:
    """A zip archive with empty files of these names."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name in names:
            file.writestr(name, b"")
    return packed.getvalue()


OTHERS: dict[str, tuple[str, bytes, str]] = {
    "torch.save": ("m.pt", archive("m/data.pkl", "m/version"), "torch.onnx.export"),
    "torch.export": ("m.pt2", archive("serialized_exported_program.json"), "torch.onnx.export"),
    "an old torch.save": ("m.pth", b"\x80\x02}q\x00.", "torch.onnx.export"),
    "a damaged .pt": ("m.pt", bytes(range(256)), "torch.onnx.export"),
    "safetensors": ("m.safetensors", (2).to_bytes(8, "little") + b'{"a": 1}', "torch.onnx.export"),
    "Keras": ("m.keras", archive("metadata.json", "config.json", "model.weights.h5"), "--saved-model"),
    "HDF5": ("m.h5", b"\x89HDF\r\n\x1a\n" + bytes(64), "--keras FILE.h5"),
    "a TensorFlow graph": ("m.pb", bytes(range(256)), "--graphdef FILE.pb"),
    "a float .tflite": ("m.tflite", b"\x1c\0\0\0TFL3" + bytes(64), "--tflite FILE.tflite"),
    "samples": ("m.npz", archive("x.npy"), "--data"),
    "a zipped model": ("m.zip", archive("deep/m.onnx"), "Unpack"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_says_how_a_model_of_another_format_becomes_onnx(tmp_path: Path, kind: str) -> None:
    name, content, fix = OTHERS[kind]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadModel) as error:
        load_model(tmp_path / name)
    assert fix in error.value.options[2]


def test_says_how_a_saved_model_becomes_onnx(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(BadModel, match="SavedModel") as error:
        load_model(tmp_path)
    assert "--saved-model" in error.value.fix


def test_refuses_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="no such file"):
        load_model(tmp_path / "none.onnx")
    with pytest.raises(BadModel, match="folder"):
        load_model(tmp_path)


def test_the_size_limit_can_be_raised(tmp_path: Path) -> None:
    path = save(tmp_path, proto())
    with pytest.raises(BadModel, match="more than the 10 allowed"):
        load_model(path, max_bytes=10)
    assert load_model(path, max_bytes=1000).size < 1000


@pytest.mark.parametrize("location", ["/etc/hostname", "../data.bin", "sub/../../data.bin", "C:\\data.bin", "..\\data.bin", ""])
def test_external_data_outside_of_the_folder_is_refused(tmp_path: Path, location: str) -> None:
    with pytest.raises(BadModel, match="not a path inside"):
        load_model(with_external(tmp_path, location))


@pytest.mark.parametrize("location", ["a\0b", "w" * 5000, "w/" * 3000])
def test_external_data_at_what_is_no_name_of_a_file_is_refused(location: str, tmp_path: Path) -> None:
    with pytest.raises(BadModel, match=r"not a path of a file"):
        load_model(with_external(tmp_path, location))


def test_external_data_through_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    inside = tmp_path / "model"
    inside.mkdir()
    (tmp_path / "secret").write_bytes(b"\0\0\0@")
    (inside / "link.bin").symlink_to(tmp_path / "secret")
    with pytest.raises(BadModel, match="link out"):
        load_model(with_external(inside, "link.bin"))
    (inside / "sub").symlink_to(tmp_path)
    with pytest.raises(BadModel, match="link out"):
        load_model(with_external(inside, "sub/secret"))


def test_external_data_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="missing"):
        load_model(with_external(tmp_path, "none.bin"))
    with pytest.raises(BadModel, match="8 bytes for a tensor of 4"):
        load_model(with_external(tmp_path, "data.bin", length=8))
    with pytest.raises(BadModel, match="ends before byte 4"):
        load_model(with_external(tmp_path, "data.bin", content=b"\0\0"))
    path = with_external(tmp_path, "data.bin")
    with pytest.raises(BadModel, match="more than"):
        load_model(path, max_bytes=path.stat().st_size + 3)


def test_external_data_is_read_and_counted(tmp_path: Path) -> None:
    path = with_external(tmp_path, "data.bin")
    loaded = load_model(path)
    assert loaded.size == path.stat().st_size + 4
    assert constant(loaded.model.graph.initializers["w"]) == np.float32(2.0)
    changed = load_model(with_external(tmp_path, "data.bin", content=b"\0\0\0A"))
    assert changed.hash != loaded.hash


def test_external_data_from_memory_is_refused(tmp_path: Path) -> None:
    with_external(tmp_path, "data.bin")
    with pytest.raises(BadModel, match="came from memory"):
        load_proto(onnx.load(tmp_path / "m.onnx", load_external_data=False))


def nested(depth: int) -> onnx.ModelProto:
    output = helper.make_tensor_value_info("v", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["v"])], "inner", [], [output])
    for level in range(depth):
        output = helper.make_tensor_value_info(f"v{level}", TensorProto.FLOAT, [1])
        node = helper.make_node("If", ["c"], [f"v{level}"], then_branch=graph, else_branch=graph if level == 0 else _leaf(level))
        graph = helper.make_graph([node], f"g{level}", [], [output])
    for name, kind in (("x", TensorProto.FLOAT), ("c", TensorProto.BOOL)):
        graph.input.append(helper.make_tensor_value_info(name, kind, [1]))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _leaf(level: int) -> onnx.GraphProto:
    output = helper.make_tensor_value_info(f"e{level}", TensorProto.FLOAT, [1])
    return helper.make_graph([helper.make_node("Identity", ["x"], [f"e{level}"])], f"leaf{level}", [], [output])


def test_the_nesting_limit_can_be_raised() -> None:
    assert sum(1 for _ in graphs(load_proto(nested(3)).model)) == 7
    with pytest.raises(BadModel, match="deeper than 16"):
        load_proto(nested(20))
    assert load_proto(nested(20), max_depth=20)


def test_functions_are_inlined_and_bombs_refused() -> None:
    model = proto("""
    <ir_version: 8, opset_import: ["" : 17, "f" : 1]>
    net (float[2] x) => (float[2] y) { a = f.twice(x)  y = f.twice(a) }
    <domain: "f", opset_import: ["" : 17]> twice (v) => (w) { two = Constant<value_float = 2.0>()  w = Mul(v, two) }
    """)
    loaded = load_proto(model).model
    assert [node.op_type for node in nodes(loaded)] == ["Constant", "Mul"] * 2
    assert not loaded.functions
    bomb = ['<ir_version: 8, opset_import: ["" : 17, "f" : 1]> net (float[2] x) => (float[2] y) { y = f.f0(x) }']
    bomb += [f'<domain: "f", opset_import: ["" : 17, "f" : 1]> f{i} (v) => (w) {{ {_calls(i)} }}' for i in range(12)]
    bomb += ['<domain: "f", opset_import: ["" : 17, "f" : 1]> f12 (v) => (w) { w = Relu(v) }']
    with pytest.raises(BadModel, match="expand to"):
        load_proto(proto("\n".join(bomb)))


def _calls(i: int) -> str:
    lines = [f"a0 = f.f{i + 1}(v)", *(f"a{k} = f.f{i + 1}(a{k - 1})" for k in range(1, 7)), "w = Relu(a6)"]
    return " ".join(lines)


def test_a_function_that_calls_itself_is_refused() -> None:
    model = proto("""
    <ir_version: 8, opset_import: ["" : 17, "f" : 1]>
    net (float[2] x) => (float[2] y) { y = f.again(x) }
    <domain: "f", opset_import: ["" : 17, "f" : 1]> again (v) => (w) { w = f.again(v) }
    """)
    with pytest.raises(BadModel, match="calls itself"):
        load_proto(model)


def _set_opset(model: onnx.ModelProto, version: int) -> None:
    model.opset_import[0].version = version


def _cycle(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = "y"


def _same_output(model: onnx.ModelProto) -> None:
    model.graph.node.add(op_type="Exp", input=["x"], output=["c"])


def _quantized(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0.1), "s"))
    model.graph.node[1].CopyFrom(helper.make_node("QuantizeLinear", ["c", "s"], ["y"]))
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.UINT8


def _sparse(model: onnx.ModelProto) -> None:
    values_, indices = helper.make_tensor("w2", TensorProto.FLOAT, [1], [1.0]), helper.make_tensor("i", TensorProto.INT64, [1], [0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values_, indices, [4]))


def _short_tensor(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[0] = 1000


def _unknown_op(model: onnx.ModelProto) -> None:
    model.graph.node[1].op_type = "Frobnicate"


def _no_nodes(model: onnx.ModelProto) -> None:
    del model.graph.node[:]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (_cycle, "cycle"),
        (_same_output, "not valid ONNX"),
        (_quantized, "already quantized"),
        (_sparse, "Sparse"),
        (_short_tensor, "needs 4000|does not fit"),
        (_unknown_op, "not valid ONNX"),
        (_no_nodes, "no nodes"),
    ],
)
def test_refuses_broken_graphs(damage: Callable[[onnx.ModelProto], None], says: str) -> None:
    model = proto()
    damage(model)
    with pytest.raises(BadModel, match=says):
        load_proto(model)


@pytest.mark.parametrize("version", [0, -1, 999])
def test_refuses_opsets_that_no_one_reads(version: int) -> None:
    model = proto()
    _set_opset(model, version)
    with pytest.raises(UnsupportedOpset, match="can be read"):
        load_proto(model)


def test_a_quantized_model_loads_when_asked() -> None:
    model = proto()
    _quantized(model)
    assert load_proto(model, quantized=True).model.graph.num_nodes() == 2


def test_operators_of_other_domains_load() -> None:
    model = proto('<ir_version: 8, opset_import: ["" : 17, "acme" : 1]> net (float[2] x) => (float[2] y) { y = acme.Magic(x) }')
    assert [node.domain for node in nodes(load_proto(model).model)] == ["acme"]


def test_initializers_listed_as_inputs_are_constants() -> None:
    model = proto()
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [1, 1, 1, 1]))
    loaded = load_proto(model).model
    assert [value.name for value in loaded.graph.inputs] == ["x"]
    assert constant(loaded.graph.initializers["w"]) is not None


def test_names_are_unique_over_the_whole_model() -> None:
    model = proto("""
    <ir_version: 8, opset_import: ["" : 17]>
    net (float[2] x, bool c) => (float[2] y) {
        [twin] a = Relu(x)
        [twin] b = Relu(a)
        d = Relu(b)
        [r_token_3] e = Relu(d)
        y = If (c) <then_branch = g () => (float[2] v) { [twin] v = Exp(e) }, else_branch = h () => (float[2] v) { v = Relu(e) }>
    }
    """)
    loaded = load_proto(model).model
    names = [node.name for node in nodes(loaded)]
    assert names == ["twin", "twin_1", "Relu_2", "r_token_3_", "If_4", "twin_2", "Relu_6"]
    held = [value.name for value in values(loaded)]
    assert len(set(held)) == len(held)
    assert [value.name for value in loaded.graph.outputs] == ["y"]
    onnx.checker.check_model(ir.to_proto(loaded))


def test_a_model_in_memory_stays_as_it_is() -> None:
    model = proto()
    before = model.SerializeToString()
    load_proto(model)
    assert model.SerializeToString() == before
    own = ir.from_proto(model)
    load_proto(own)
    assert [node.name for node in own.graph] == ["", ""] or [node.name for node in own.graph] == [None, None]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, proto())
    path.chmod(0)
    with pytest.raises(BadModel, match="cannot be read"):
        load_model(path)


def test_weights_with_nan_are_refused_and_infinite_ones_are_not() -> None:
    for number, accepted in ((np.nan, False), (-np.inf, True)):
        model = onnx.parser.parse_model('<ir_version: 8, opset_import: ["": 17]> g (float[N, 2] x) => (float[N, 2] y) { y = Add(x, mask) }')
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([0, number], np.float32), "mask"))
        if accepted:
            load_proto(model)
            continue
        with pytest.raises(BadModel, match="1 NaN of 2 values") as caught:
            load_proto(model)
        assert "initializer 'mask'" in caught.value.where


def test_an_input_of_no_type_is_refused_by_name() -> None:
    for side in ("input", "output"):
        model = proto()
        getattr(model.graph, side)[0].type.tensor_type.elem_type = TensorProto.UNDEFINED
        with pytest.raises(BadModel, match="no element type") as caught:
            load_proto(model)
        assert repr({"input": "x", "output": "y"}[side]) in caught.value.where


#: a Loop whose number of iterations, first condition and next condition are filled in
_LOOP = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[2] x) => (float[2] y) <int64 huge = {{9223372036854775807}}, int64 few = {{3}}, bool yes = {{1}}>
{{
  [turns] y = Loop ({trips}, {start}, x) <body: graph = body (int64 i, bool going, float[2] s) => (bool next, float[2] t) {{
    t = Add (s, s)
    low = ReduceMax <keepdims: int = 0> (s)
    smaller = Less (low, s)
    {next}
  }}>
}}"""


@pytest.mark.parametrize(
    ("trips", "start", "next_", "limit"),
    [
        ("huge", "yes", "next = Identity (going)", "a limit of 9223372036854775807 iterations"),
        ("", "yes", "next = Constant <value = bool {1}> ()", "no limit"),
        ("huge", "", "same = Identity (yes)\n next = Identity (same)", "a limit of"),
    ],
)
def test_loop_that_never_ends(trips: str, start: str, next_: str, limit: str) -> None:
    proto = onnx.parser.parse_model(_LOOP.format(trips=trips, start=start, next=next_))
    with pytest.raises(BadModel, match="never ends") as caught:
        load_proto(proto)
    assert limit in str(caught.value)
    assert "node turns" in str(caught.value)


@pytest.mark.parametrize(
    ("trips", "next_"),
    [("few", "next = Identity (going)"), ("huge", "zero = Constant <value_int = 0> ()\n next = Greater (zero, i)")],
    ids=["counted", "until the condition is false"],
)
def test_loop_that_ends(trips: str, next_: str) -> None:
    loaded = load_proto(onnx.parser.parse_model(_LOOP.format(trips=trips, start="yes", next=next_)))
    assert [node.op_type for node in loaded.model.graph] == ["Loop"]
