"""prepare as a whole: the same function, the same interface, every node accounted for; simplify is
believed only when it is right.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.errors import BadRecipe, UnsupportedOpset
from edgeq.graph.read import nodes, values
from edgeq.io.load import load_model, load_proto
from edgeq.passes.prepare.fold_constants import FoldConstants
from edgeq.passes.prepare.fold_shapes import FoldShapes
from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.rewrite.made_up_run import random_feeds
from edgeq.rewrite.prepare import prepare
from edgeq.rewrite.simplify import simplify
from edgeq.testing.pass_laws import interface, outputs
from edgeq.testing.pass_models import TEXTS, law_model
from tests.zoo import zoo_model

#: needs a run to know the length, so that onnxsim is asked
EXPAND = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[N, 2, 2] x) => (float[N, 3, 2] y)
    <float[1, 1, 2] token = {1.0, 2.0}, int64 zero = {0}, int64[1] axis = {0}, int64[2] tail = {1, 2}> {
    s = Shape(x)  n = Gather(s, zero)  u = Unsqueeze(n, axis)  t = Concat<axis = 0>(u, tail)
    e = Expand(token, t)  y = Concat<axis = 1>(e, x)
}
"""


@pytest.mark.parametrize("name", TEXTS)
def test_computes_the_same_and_accounts_for_every_node(name: str) -> None:
    start = load_proto(law_model(name)).model
    feeds = random_feeds(start, size=4)
    wanted, before = outputs(start, feeds), [value.name for value in values(start)]
    done = prepare(start)
    onnx.checker.check_model(ir.to_proto(done.model), full_check=True)
    assert interface(done.model) == interface(start)
    for want, got in zip(wanted, outputs(done.model, feeds), strict=True):
        tolerance = 2e-3 if want.dtype == np.float16 else 1e-4
        np.testing.assert_allclose(got.astype(np.float64), want.astype(np.float64), rtol=tolerance, atol=1e-6)
    left = {node.name for node in nodes(done.model)}
    assert {node.name for node in nodes(start)} - left == set(done.vanished)
    assert all(done.vanished.values())
    assert [value.name for value in values(start)] == before


def test_preparing_twice_gives_the_same_bytes_and_the_second_pass_finds_nothing() -> None:
    once, again = (ir.to_proto(prepare(load_proto(law_model("affine_chain")).model).model) for _ in range(2))
    assert once.SerializeToString(deterministic=True) == again.SerializeToString(deterministic=True)
    twice = prepare(ir.from_proto(once))
    assert twice.vanished == {}
    assert ir.to_proto(twice.model).SerializeToString(deterministic=True) == once.SerializeToString(deterministic=True)


def test_the_opset_rises_only_where_it_must() -> None:
    assert prepare(law_model("conv_bn_relu")).model.opset_imports[""] == 17
    assert prepare(law_model("opset_9")).model.opset_imports[""] == 13
    assert prepare(law_model("conv_bn_relu"), opset=21).model.opset_imports[""] == 21
    old = law_model("hardswish_forms")
    old.graph.opset_imports[""] = 13
    done = prepare(load_proto(old).model)
    assert done.model.opset_imports[""] == 14
    assert {node.op_type for node in nodes(done.model)} == {"HardSwish"}


def test_shapes_freeze_dimensions_by_name() -> None:
    model = load_proto(law_model("conv_bn_relu")).model
    done = prepare(model, shapes={"x": (3, 2, 4, 4)}).model
    assert [list(value.shape or []) for value in (*done.graph.inputs, *done.graph.outputs)] == [[3, 2, 4, 4], [3, 2, 4, 4]]
    assert outputs(done, random_feeds(done))[0].shape == (3, 2, 4, 4)


@pytest.mark.parametrize(
    ("shapes", "says"),
    [
        ({"z": (1,)}, "no input 'z'"),
        ({"x": (1, 2)}, "has 4 dimensions"),
        ({"x": (1, 2, 4, 5)}, "fixed to 4"),
        ({"x": (0, 2, 4, 4)}, "positive"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(shapes: dict[str, tuple[int, ...]], says: str) -> None:
    with pytest.raises(BadRecipe, match=says):
        prepare(load_proto(law_model("conv_bn_relu")).model, shapes=shapes)


def test_onnxsim_runs_only_when_something_is_left_for_it() -> None:
    assert "not run" in prepare(load_proto(law_model("conv_bn_relu")).model).notes[-1]
    model = load_proto(ir.from_onnx_text(EXPAND)).model
    done = prepare(model)
    assert "not run" not in done.notes[-1]
    feeds = random_feeds(model)
    assert np.array_equal(outputs(model, feeds)[0], outputs(done.model, feeds)[0])


def test_a_hanging_onnxsim_is_left_behind() -> None:
    model = load_proto(ir.from_onnx_text(EXPAND)).model
    before = [node.name for node in nodes(model)]
    assert "took more than" in simplify(model, timeout=0.01)
    assert [node.name for node in nodes(model)] == before


@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit of a process's own time")
@pytest.mark.parametrize(("does", "says"), [("while True: pass", "more than 5 s of a processor"), ("time.sleep(6)", "onnxsim: ")])
def test_onnxsim_may_wait_but_not_compute_for_long(does: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it gives must not depend on the load of the machine: waiting is not counted."""
    (tmp_path / "onnxsim.py").write_text(f"import time\ndef simplify(model, **_):\n    {does}\n    return model, True\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    assert says in simplify(load_proto(ir.from_onnx_text(EXPAND)).model, processor=5)


def test_a_model_that_cannot_be_compared_is_not_simplified() -> None:
    """No feed that edgeq can think of suits this one: onnxruntime would need 5 on a dimension
    without a number.
    """
    text = EXPAND.replace("float[N, 2, 2] x", "float[N, M, 2] x, float[N, 5, 2] o").replace("<axis = 1>(e, x)", "<axis = 1>(e, xo)")
    text = text.replace("e = Expand", "xo = Add(x, o)  e = Expand").replace("float[N, 3, 2] y", "float[N, K, 2] y")
    model = load_proto(ir.from_onnx_text(text)).model
    done = prepare(model)
    assert done.notes == ("continued without onnxsim: no input could be made up to compare its numbers",)
    assert [node.name for node in nodes(done.model)] == [node.name for node in nodes(model)]


def test_the_child_never_loads_torch(tmp_path: Path) -> None:
    """A torch lies on the path that leaves a mark when it is imported."""
    (tmp_path / "torch.py").write_text(f"from pathlib import Path\nPath({str(tmp_path / 'mark')!r}).touch()\n")
    (tmp_path / "in.onnx").write_bytes(ir.to_proto(ir.from_onnx_text(EXPAND)).SerializeToString())
    command = [sys.executable, "-m", "edgeq.rewrite.simplify_child", str(tmp_path / "in.onnx"), str(tmp_path / "out.onnx")]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert (tmp_path / "out.onnx").is_file()
    assert not (tmp_path / "mark").exists()


def test_what_the_user_should_know_is_noted() -> None:
    assert prepare(law_model("opset_9")).notes[0] == "opset 9 was converted to 13: the target takes no older one"
    assert "computed in float32" in prepare(law_model("half_floats")).notes[0]


@pytest.mark.parametrize(
    "text",
    [
        "<int64[2] s = {100000, 100000}> { c = ConstantOfShape(s)  m = ReduceSum(c)  y = Add(x, m) }",
        "<int64 a = {0}, int64 b = {10000000000}, int64 d = {1}> { c = Range(a, b, d)  f = Cast<to = 1>(c)  y = Add(x, f) }",
        "{ s0 = Shape(x) " + " ".join(f"s{i + 1} = Add(s{i}, s{i})" for i in range(60)) + " y = Expand(x, s60) }",
        "{ s0 = Shape(x) " + " ".join(f"s{i + 1} = Concat<axis = 0>(s{i}, s{i})" for i in range(60)) + " y = Expand(x, s60) }",
    ],
)
def test_folding_does_not_follow_a_bomb(text: str) -> None:
    """Each would fill the memory, or take exponential time, when it was simply computed."""
    model = ir.from_onnx_text('<ir_version: 8, opset_import: ["" : 17]> net (float[N, 2] x) => (float[N, 2] y) ' + text)
    InferShapes()(model)
    FoldConstants()(model)
    FoldShapes()(model)
    assert sum(tensor.const_value.nbytes for tensor in model.graph.initializers.values() if tensor.const_value is not None) < 1000


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("fc_autoencoder_toycar", {"Gemm", "Relu"}),
        ("mobilenetv1_025_imagenet", {"Conv", "Clip", "GlobalAveragePool", "Flatten"}),
        ("resnet20_cifar10", {"Conv", "Relu", "Add", "Slice", "Pad", "AveragePool", "Flatten", "Gemm"}),
        (
            "ppocr_cls_mbv3se",
            {"Conv", "HardSwish", "Relu", "GlobalAveragePool", "HardSigmoid", "Mul", "Add", "MaxPool", "Flatten", "Gemm", "Softmax"},
        ),
    ],
)
def test_real_networks_end_in_these_operators(name: str, kinds: set[str]) -> None:
    path: Path = zoo_model(name)
    start = load_model(path).model
    done = prepare(start)
    assert {node.op_type for node in nodes(done.model)} == kinds
    feeds = random_feeds(start, size=64)
    for want, got in zip(outputs(start, feeds), outputs(done.model, feeds), strict=True):
        assert np.max(np.abs(want - got)) <= 1e-4 * np.max(np.abs(want))


#: onnx's converter raises a Scan of opset 8 to a higher opset and loses its batch axis
OLD_SCAN = """<ir_version: 4, opset_import: ["" : 8]> net (float[1, 2] start, float[1, 3, 2] x) => (float[1, 2] y, float[1, 3, 2] z) {
    y, z = Scan<num_scan_inputs = 1, body = step (float[2] s, float[2] n) => (float[2] t, float[2] o) {
        t = Add(s, n)  o = Identity(t) }>(, start, x) }"""


def test_a_conversion_that_changes_the_interface_is_refused_in_true_words() -> None:
    with pytest.raises(UnsupportedOpset, match="input start has shape") as refusal:
        prepare(load_proto(ir.from_onnx_text(OLD_SCAN)).model)
    assert refusal.value.where == "opset 8 -> 13"


def test_a_lowered_opset_that_is_not_valid_any_more_is_put_aside() -> None:
    text = """<ir_version: 10, opset_import: ["" : 22]> net (float[1, 1, 2, 2] x) => (float[1, 1, 1, 1] y) {
        y = MaxPool<kernel_shape = [1, 1], strides = [2, 2], ceil_mode = 1>(x) }"""
    done = prepare(load_proto(ir.from_onnx_text(text)).model)
    assert done.model.opset_imports[""] == 22
    assert any(note.startswith("onnx's opset converter: its result was put aside: ") for note in done.notes)


def test_a_fold_that_the_runtime_refuses_is_put_aside_and_the_others_stay() -> None:
    """The length of the Range has the shape [1], which onnxruntime accepts only unseen; the
    BatchNormalization is still folded.
    """
    text = """<ir_version: 8, opset_import: ["" : 17]> net (float[1, 2, 4, 900] x) => (float[1, 2, 4, 900] y)
        <int64 zero = {0}, int64 one = {1}, int64[1] last = {3}, int64[1] stop = {4},
         float[2, 2, 1, 1] w = {1, 2, 3, 4}, float[2] b = {1, 2}> {
        t = Transpose<perm = [0, 1, 3, 2]>(w)  a = Conv(x, t)
        m = BatchNormalization(a, b, b, b, b)
        s = Shape(x)  n = Slice(s, last, stop)  r = Range(zero, n, one)  f = Cast<to = 1>(r)  y = Add(m, f) }"""
    start = load_proto(ir.from_onnx_text(text)).model
    done = prepare(start)
    kinds = {node.op_type for node in nodes(done.model)}
    assert "Range" in kinds
    assert "BatchNormalization" not in kinds
    assert any("put aside: " in note and "Range" in note for note in done.notes)
    feeds = random_feeds(start)
    np.testing.assert_allclose(outputs(done.model, feeds)[0], outputs(start, feeds)[0], rtol=1e-4)


@pytest.mark.parametrize("step", [InferShapes, FoldConstants])
def test_a_tool_of_others_that_raises_is_left_out(step: type, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("assertion failed in somebody's code")

    monkeypatch.setattr(step, "call", fails)
    start = load_proto(law_model("conv_bn_relu")).model
    done = prepare(start)
    assert any("its result was put aside: it failed (assertion failed in somebody's code)" in note for note in done.notes)
    feeds = random_feeds(start)
    np.testing.assert_allclose(outputs(done.model, feeds)[0], outputs(start, feeds)[0], rtol=1e-4, atol=1e-5)
