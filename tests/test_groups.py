"""Tests of same-scale groups: what may share a grid, and what must not."""

from __future__ import annotations

import onnx
import onnx.parser
import onnx_ir as ir
import pytest

from edgeq.groups import Groups, same_scale_groups
from edgeq.placement import place
from edgeq.target import load_target


def concat_of(first: str, second: str) -> Groups:
    """Groups of a Concat over two branches, each an Add with one activation behind it."""
    body = f"[p] p = Add(x, x) [q] q = Add(x, k) {first} {second} [cat] c = Concat<axis = 1>(a, b) [last] y = GlobalAveragePool(c)"
    text = f'<ir_version: 8, opset_import: ["": 13]> g (float[1, 64, 32, 32] x) => (float[1, 128, 1, 1] y) <float k = {{0.5}}> {{ {body} }}'
    model = ir.from_proto(onnx.shape_inference.infer_shapes(onnx.parser.parse_model(text)))
    target = load_target("cpu")
    return same_scale_groups(model, place(model, target))


def test_a_concat_of_equally_bounded_values_copies_integers() -> None:
    groups = concat_of("[ra] a = Relu(p)", "[rb] b = Relu(q)")
    assert groups.nodes["ra"].runs == "absorbed"
    assert groups.nodes["cat"].runs == "integer"


@pytest.mark.parametrize("other", ["b = LeakyRelu(q)", "b = Clip(q, low, high)"])
def test_an_absorbed_relu_shares_no_grid_with_values_of_other_bounds(other: str) -> None:
    constants = "[cl] low = Constant<value_float = 0.0>() [ch] high = Constant<value_float = 6.0>() " if "Clip" in other else ""
    groups = concat_of("[ra] a = Relu(p)", f"{constants}[rb] {other}")
    assert groups.nodes["ra"].runs == "absorbed"
    assert groups.nodes["cat"].runs == "int8"
