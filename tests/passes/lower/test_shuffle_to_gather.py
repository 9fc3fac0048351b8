"""ShuffleToGather: one Gather where only channels change places, and nothing else is touched."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.passes.lower.shuffle_to_gather import ShuffleToGather
from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.runtimes.ort import open_session
from tests.graph_text import lines, net, weights

PICTURE = "a = Reshape(x, cut) t = Transpose<perm = [0, 2, 1, 3, 4]>(a) y = Reshape(t, whole)"


def built(body: str, inputs: str, cut: list[int], whole: list[int]) -> ir.Model:
    model = net(body, inputs=inputs, constants={"cut": np.array(cut), "whole": np.array(whole)})
    InferShapes()(model)
    return model


@pytest.mark.parametrize(
    ("body", "shape", "cut", "whole"),
    [
        (PICTURE, [2, 12, 5, 4], [2, 3, 4, 5, 4], [2, 12, 5, 4]),
        (PICTURE.replace("[0, 2, 1, 3, 4]", "[0, 2, 1, 3]"), [1, 8, 6], [1, 2, 4, 6], [1, 8, 6]),
        (PICTURE.replace("[0, 2, 1, 3, 4]", "[0, 3, 1, 2, 4, 5]"), [1, 12, 3, 2], [1, 2, 3, 2, 3, 2], [1, 12, 3, 2]),
    ],
)
def test_channels_are_taken_in_their_new_order(body: str, shape: list[int], cut: list[int], whole: list[int]) -> None:
    inputs = f"float[{', '.join(map(str, shape))}] x"
    model, same = built(body, inputs, cut, whole), built(body, inputs, cut, whole)
    assert ShuffleToGather()(model).modified
    assert [node.op_type for node in model.graph] == ["Gather"]
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    results = [open_session(one).run({"x": x})[0] for one in (model, same)]
    assert np.array_equal(*results)


@pytest.mark.parametrize(
    ("body", "inputs", "cut", "whole"),
    [
        (PICTURE, "float[2, 12, 4, 4] x", [2, 3, 4, 4, 4], [2, 12, 2, 8]),  # another shape comes out
        (PICTURE.replace("2, 1, 3, 4", "2, 1, 4, 3"), "float[2, 12, 4, 4] x", [2, 3, 4, 4, 4], [2, 12, 4, 4]),  # places move too
        (PICTURE.replace("[0, 2, 1, 3, 4]", "[0, 2, 1]"), "float[2, 12] x", [2, 3, 4], [2, 12]),  # rows have no channels
        (PICTURE.replace("2, 1, 3, 4", "3, 2, 1, 4"), "float[2, 4, 3, 4] x", [2, 4, 3, 2, 2], [2, 4, 3, 4]),
    ],
)
def test_others_stay(body: str, inputs: str, cut: list[int], whole: list[int]) -> None:
    model = built(body, inputs, cut, whole)
    before = lines(model)
    assert not ShuffleToGather()(model).modified
    assert lines(model) == before


def test_a_shuffle_between_layers_runs_on_codes() -> None:
    body = f"[c1] x1 = Conv<pads = [1, 1, 1, 1]>(x, w) {PICTURE.replace('(x,', '(x1,').replace('y =', 's =')} [c2] y = Conv(s, v)"
    constants = {"cut": np.array([1, 2, 16, 20, 20]), "whole": np.array([1, 32, 20, 20]), "w": weights(32, 32, 3, 3)}
    model = net(body, inputs="float[1, 32, 20, 20] x", constants={**constants, "v": weights(32, 32, 1, 1)})
    made = quantize(model, {"x": np.random.default_rng(1).normal(size=(8, 32, 20, 20)).astype(np.float32)}, prove=False)
    assert [node.runs for node in made.plan.nodes.values() if node.op_type == "Gather"] == ["integer"]
