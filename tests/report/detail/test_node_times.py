"""Tests of times of nodes: every kernel's time is at the node whose work it does."""

from __future__ import annotations

import numpy as np

from edgeq.api import quantize
from edgeq.io.load import load_proto
from edgeq.report.detail.node_times import node_times
from edgeq.runtimes.kernel_times import LEAST_RUNS, kernel_times
from edgeq.schema.cost import INTEGERS
from edgeq.schema.recipe import Recipe
from tests.small_models import conv_net

X = np.random.default_rng(0).normal(size=(8, 3, 8, 8)).astype(np.float32)


def test_kernels_of_a_run_are_timed() -> None:
    model = load_proto(conv_net()).model
    kernels, runs = kernel_times(model, {"x": X[:1]})
    assert runs >= LEAST_RUNS
    assert all(kernel.ms >= 0 for kernel in kernels)
    assert "Conv" in {kernel.op_type for kernel in kernels}


def test_times_stand_at_the_nodes_of_the_float_model() -> None:
    made = quantize(conv_net(), {"x": X}, recipe=Recipe(placement=INTEGERS, effort="fast"), detail=True)
    detail, placement = made.report.detail, made.report.placement
    assert detail is not None and detail.times is not None and placement is not None
    known = {node.name: node for node in placement.nodes}
    for time in detail.times.nodes:
        assert time.name in known
        # a node that vanished in the int8 model has no time there
        assert (time.int8_ms is None) or known[time.name].runs_as != "vanished"
    layers = [node.name for node in placement.nodes if node.op_type == "Conv"]
    timed = {time.name: time for time in detail.times.nodes}
    assert all(timed[name].float_ms is not None and timed[name].int8_ms is not None for name in layers)


def test_a_model_against_itself_takes_the_same_nodes() -> None:
    model = load_proto(conv_net()).model
    found = node_times(model, model, {"x": X[:1]})
    # without a record of its nodes, what the second model does is nobody's
    assert all(time.int8_ms is None for time in found.nodes)
    assert found.other_int8_ms > 0
