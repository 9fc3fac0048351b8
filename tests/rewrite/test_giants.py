"""A value that no device could hold, or that a kernel dies of, is refused before anything runs."""

from __future__ import annotations

import pytest

from edgeq.errors import BadModel
from edgeq.io.load import load_proto
from edgeq.rewrite.prepare import prepare
from tests.small_models import text_model

HEAD = '<ir_version: 8, opset_import: ["" : 17]> net (float[1, 4] x) => (float[1, 1] y) '


@pytest.mark.parametrize(
    "body",
    [
        "<int64[2] s = {1073741824, 4}> { e = Expand(x, s)  y = ReduceMax<axes = [0, 1]>(e) }",
        "<int64[2] s = {1, 1073741824}> { e = Tile(x, s)  y = ReduceMax<axes = [0, 1]>(e) }",
        "<int64[2] s = {1073741824, 4}> { e = ConstantOfShape(s)  f = Add(e, x)  y = ReduceMax<axes = [0, 1]>(f) }",
        "<int64[4] p = {0, 0, 1073741824, 0}> { e = Pad(x, p)  y = ReduceMax<axes = [0, 1]>(e) }",
    ],
    ids=["expand", "tile", "constant", "pad"],
)
def test_a_value_of_absurd_size_is_refused_by_name(body: str) -> None:
    with pytest.raises(BadModel, match="elements, more than the 268435456") as caught:
        prepare(load_proto(text_model(HEAD + body, {})).model)
    assert "e" in caught.value.where


def test_a_large_value_that_fits_is_prepared() -> None:
    body = "<int64[2] s = {65536, 4}> { e = Expand(x, s)  y = ReduceMax<axes = [0, 1]>(e) }"
    assert len(prepare(load_proto(text_model(HEAD + body, {})).model).model.graph) == 2


@pytest.mark.parametrize(
    ("out", "body"),
    [
        (
            "float[a, b, c]",
            "<int64[1] z = {0}, int64[1] a = {2}, float[1] s = {1}> { e = Slice(x, z, z, a)  y = InstanceNormalization(e, s, s) }",
        ),
        (
            "float[a, b, c, d]",
            "<int64[1] z = {0}, int64[1] a = {1}, float[1, 3, 1] w = {1, 1, 1}> "
            "{ e = Slice(x, z, z, a)  t = Transpose<perm = [2, 1, 0]>(e)  f = Relu(t)  y = GRU<hidden_size = 1>(f, w, w) }",
        ),
    ],
    ids=["normalization", "recurrent"],
)
def test_a_kernel_that_dies_of_no_elements_is_refused_before_it_runs(out: str, body: str) -> None:
    head = f'<ir_version: 8, opset_import: ["" : 17]> net (float[1, 1, 4] x) => ({out} y) '
    with pytest.raises(BadModel, match="has no elements: its shape is"):
        prepare(load_proto(text_model(head + body, {})).model)
