"""Tests of same-scale groups: what may share a grid, and what must not."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.planning.placement import place
from edgeq.planning.same_scale import Groups, same_scale_groups
from tests.graph_text import Constants, eager, net, weights

TARGET = eager()
W: Constants = {"w": weights(8, 8, 1, 1), "v": weights(8, 8, 1, 1, seed=1), "u": weights(8, 16, 1, 1)}


def groups_of(body: str, constants: Constants | None = None) -> Groups:
    model = net(body, constants={**W, **(constants or {})})
    return same_scale_groups(model, place(model, TARGET), TARGET)


def concat_of(first: str, second: str) -> Groups:
    """Groups of a Concat over two branches, each a Conv with one activation behind it."""
    body = f"[p] p = Conv(x, w) [q] q = Conv(x, v) {first} {second} [cat] c = Concat<axis = 1>(a, b) [last] y = Conv(c, u)"
    return groups_of(body, {"low": 0.0, "high": 6.0} if "Clip" in body else {})


def test_a_concat_of_equally_bounded_values_copies_integers() -> None:
    groups = concat_of("[ra] a = Relu(p)", "[rb] b = Relu(q)")
    assert groups.nodes["ra"].runs == "absorbed"
    assert groups.nodes["cat"].runs == "integer"
    assert groups.members["a"] == ("a", "b", "c")
    assert groups.sources["a"] == ("a", "b")


@pytest.mark.parametrize("other", ["[rb] b = LeakyRelu(q)", "[rb] b = Clip(q, low, high)", "[rb] b = Sigmoid(q)"])
def test_an_absorbed_relu_shares_no_grid_with_values_of_other_bounds(other: str) -> None:
    groups = concat_of("[ra] a = Relu(p)", other)
    assert groups.nodes["ra"].runs == "absorbed"
    assert groups.nodes["cat"].runs == "int8"


def test_a_hard_sigmoid_shares_no_grid_that_ends_elsewhere() -> None:
    """As an integer Add it is its grid that cuts it off at 1."""
    assert concat_of("[ra] a = HardSigmoid(p)", "[rb] b = LeakyRelu(q)").nodes["cat"].runs == "int8"
    assert concat_of("[ra] a = HardSigmoid(p)", "[rb] b = HardSigmoid(q)").nodes["cat"].runs == "integer"


def test_moved_values_share_the_grid_of_their_source() -> None:
    body = """[c1] a = Conv(x, w) [r] b = Relu(a) [m] c = MaxPool<kernel_shape = [2, 2]>(b) [t] d = Transpose<perm = [0, 1, 3, 2]>(c)
        [c2] y = Conv(d, v)"""
    groups = groups_of(body)
    assert groups.members == {"x": ("x",), "b": ("b", "c", "d"), "y": ("y",)}
    assert groups.sources == {"x": ("x",), "b": ("b",), "y": ("y",)}


def test_a_moved_input_is_observed_where_it_enters() -> None:
    groups = groups_of("[t] a = Transpose<perm = [0, 1, 3, 2]>(x) [c1] y = Conv(a, w)")
    root = next(root for root, names in groups.members.items() if "a" in names)
    assert groups.sources[root] == ("x",) if "x" in groups.members[root] else ("a",)


def test_all_outputs_of_a_split_share_one_grid() -> None:
    body = "[c1] a = Conv(x, w) [s] b, c = Split<axis = 1>(a, parts) [add] d = Add(b, c) [c2] y = Conv(d, k)"

    groups = groups_of(body, {"parts": np.array([4, 4]), "k": weights(8, 4, 1, 1)})
    assert groups.members["a"] == ("a", "b", "c")


@pytest.mark.parametrize(
    "body",
    [
        "[cat] c = Concat<axis = 1>(p, p)",  # one value twice
        "[cat] c = Concat<axis = 1>(p, q) [more] z = Conv(q, w)",  # q is read elsewhere too: a shared grid would cost z precision
        "[cat] c = Concat<axis = 1>(p, k)",  # a constant has its own grid
    ],
)
def test_a_concat_keeps_a_kernel_where_a_shared_grid_would_cost_others(body: str) -> None:
    constants = {"k": weights(1, 8, 16, 16)} if ", k)" in body else {}
    groups = groups_of(f"[c1] p = Conv(x, w) [c2] q = Conv(x, v) {body} [last] y = Conv(c, u)", constants)
    assert groups.nodes["cat"].runs == "int8"


def test_concats_in_a_row_share_one_grid() -> None:
    body = """[c1] p = Conv(x, w) [c2] q = Conv(x, v) [c3] r = Conv(x, v) [one] c = Concat<axis = 1>(p, q) [two] d = Concat<axis = 1>(c, r)
        [last] y = Conv(d, k)"""
    groups = groups_of(body, {"k": weights(8, 24, 1, 1)})
    assert (groups.nodes["one"].runs, groups.nodes["two"].runs) == ("integer", "integer")
    assert groups.members["p"] == ("p", "q", "r", "c", "d")
    assert groups.sources["p"] == ("p", "q", "r")


@pytest.mark.parametrize(
    "moves",
    [
        "[t] t = Transpose<perm = [0, 1, 3, 2]>(a)",
        "[t] t = MaxPool<kernel_shape = [2, 2]>(a)",
        "[d] d = DepthToSpace<blocksize = 2>(a) [t] t = SpaceToDepth<blocksize = 2>(d)",
    ],
)
def test_numbers_beyond_a_clip_behind_movement_need_not_be_represented(moves: str) -> None:
    body = f"[c1] a = Conv(x, w) {moves} [clip] k = Clip(t, low, high) [c2] y = Conv(k, v)"
    groups = groups_of(body, {"low": -0.5, "high": 0.75})
    root = next(root for root, names in groups.members.items() if "a" in names)
    assert "k" in groups.members[root]
    assert groups.sources[root] == ("k",)


def test_numbers_that_something_else_reads_are_represented() -> None:
    body = "[c1] a = Conv(x, w) [t] t = Transpose<perm = [0, 1, 3, 2]>(a) [clip] k = Clip(t, low, high)"
    groups = groups_of(f"{body} [c2] y = Conv(k, v) [c3] z = Conv(t, v) [add] o = Add(y, z)", {"low": -0.5, "high": 0.75})
    root = next(root for root, names in groups.members.items() if "a" in names)
    assert groups.sources[root] == ("a",)
