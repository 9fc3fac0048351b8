"""PlainAveragePool: counted padding beyond the edge becomes a Pad; dilations of 1 go unsaid."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.graph.read import nodes
from edgeq.passes.lower.plain_average_pool import PlainAveragePool
from edgeq.runtimes.ort import open_session
from tests.graph_text import lines, net

COUNTED = "ceil_mode = 1, count_include_pad = 1"


@pytest.mark.parametrize("size", [5, 6, 7, 8])
@pytest.mark.parametrize("pads", [[0, 0, 1, 1], [1, 1, 1, 1], [1, 0, 2, 1]])
def test_padding_over_the_edge_is_a_node_of_its_own(size: int, pads: list[int]) -> None:
    body = f"[p] y = AveragePool<kernel_shape = [3, 3], strides = [2, 2], pads = {pads}, {COUNTED}>(x)"
    model = net(body, inputs=f"float[1, 2, {size}, {size}] x")
    x = np.random.default_rng(size).normal(size=(1, 2, size, size)).astype(np.float32)
    with open_session(model, optimize="off") as session:
        (wanted,) = session.run({"x": x})
    assert PlainAveragePool()(model).modified
    assert lines(model) == ["y_padded = Pad(x, p_pads)", "y = AveragePool(y_padded)"]
    pool = list(nodes(model))[-1]
    assert not {"count_include_pad", "pads"} & set(pool.attributes)
    with open_session(model, optimize="off") as session:
        np.testing.assert_allclose(session.run({"x": x})[0], wanted, rtol=1e-5, atol=1e-6)
    assert not PlainAveragePool()(model).modified


def test_dilations_of_one_go_and_others_stay() -> None:
    def attributes(dilations: str) -> tuple[bool, set[str]]:
        body = f"y = AveragePool<kernel_shape = [2, 2], dilations = {dilations}>(x)"
        model = net(body, inputs="float[1, 2, 8, 8] x", opset=19)
        return bool(PlainAveragePool()(model).modified), set(next(nodes(model)).attributes)

    assert attributes("[1, 1]") == (True, {"kernel_shape"})
    assert attributes("[2, 1]") == (False, {"kernel_shape", "dilations"})


@pytest.mark.parametrize("how", ["", ", ceil_mode = 1", ", count_include_pad = 1"])
def test_what_the_kernel_counts_rightly_stays(how: str) -> None:
    model = net(f"y = AveragePool<kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]{how}>(x)", inputs="float[1, 2, 6, 6] x")
    assert not PlainAveragePool()(model).modified
