"""Tests of what a page draws of a run: nodes, ranges, bytes, times, and errors of layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgeq.api import calibrate, quantize
from edgeq.data.shipped import shipped_model
from edgeq.report.detail.detail import Detail, NodeDetail
from edgeq.report.page.write import to_html
from edgeq.report.quantized import Quantized
from edgeq.schema.cost import INTEGERS, PlacementWish
from edgeq.schema.recipe import Recipe
from tests.graph_text import net, weights
from tests.reports import document

RECIPE = Recipe(placement=INTEGERS, effort="fast")


@pytest.fixture(scope="module")
def digits() -> Quantized:
    return quantize(shipped_model("digits"), "digits", recipe=RECIPE, detail=True)


def detail_of(made: Quantized) -> Detail:
    assert made.report.detail is not None
    return made.report.detail


def rows(made: Quantized) -> dict[str, NodeDetail]:
    return {node.name: node for node in detail_of(made).nodes}


def test_every_node_of_the_proof_is_there(digits: Quantized) -> None:
    placement = digits.report.placement
    assert placement is not None
    assert [(node.name, node.runs_as) for node in detail_of(digits).nodes] == [(node.name, node.runs_as) for node in placement.nodes]


def test_reads_and_makes_link_the_nodes(digits: Quantized) -> None:
    made = {name for node in detail_of(digits).nodes for name in node.makes}
    read = {name for node in detail_of(digits).nodes for name in node.reads}
    assert read - made == {"image"}
    assert len(rows(digits)["Add_1"].reads) == 2


def test_integers_take_a_quarter_of_the_weights_bytes(digits: Quantized) -> None:
    conv = rows(digits)["Conv_4"]
    weights, biases = 32 * 32 * 9, 32
    assert conv.float_bytes == 4 * (weights + biases)
    assert conv.bytes == weights + 4 * biases + 32 * 5  # a scale and a zero point a channel


def test_a_range_is_kept_and_what_lies_outside_is_counted(digits: Quantized) -> None:
    for value in detail_of(digits).values:
        assert value.histogram is not None
        assert sum(value.histogram.counts) > 0
        assert value.kept_low <= 0 <= value.kept_high
    pixels = next(value for value in detail_of(digits).values if value.name == "image")
    assert (pixels.kept_low, pixels.kept_high) == (0.0, pytest.approx(1.0))
    assert pixels.histogram is not None and pixels.histogram.clipped == 0


def test_both_models_are_timed_node_by_node(digits: Quantized) -> None:
    times = detail_of(digits).times
    assert times is not None and times.runs >= 5
    by_name = {one.name: one for one in times.nodes}
    conv = by_name["Conv_4"]
    assert conv.float_ms is not None and conv.int8_ms is not None and conv.float_ms > 0 and conv.int8_ms > 0
    assert "BatchNormalization_4" not in by_name  # folded in both


def test_layers_have_an_error(digits: Quantized) -> None:
    assert len(digits.report.layers) > 5
    assert all(layer.sqnr_db > 15 for layer in digits.report.layers)


def test_the_page_shows_the_error_behind_what_is_fused(digits: Quantized) -> None:
    run = document(to_html(digits.report))["runs"][0]
    conv = next(node for node in run["nodes"] if node["name"] == "Conv_1")
    measured = {layer.name: layer.sqnr_db for layer in digits.report.layers}
    assert "Conv_1" not in measured  # its value is folded away
    assert conv["sqnr_db"] == pytest.approx(measured["Relu_1"], rel=1e-5)


def test_without_data_there_are_weights_alone() -> None:
    known = calibrate(shipped_model("digits"), "digits", recipe=RECIPE)
    made = quantize(shipped_model("digits"), recipe=RECIPE, statistics=known, detail=True)
    found = detail_of(made)
    assert (found.samples, found.times, made.report.layers) == (0, None, ())
    assert {value.role for value in found.values if value.histogram is not None} == {"weight"}


def test_weights_of_float_nodes_that_are_stored_as_integers_have_grids() -> None:
    model = net("[fc] y = MatMul(x, w)", inputs="float[N, 64] x", outputs="float[N, 64] y", constants={"w": weights(64, 64)})
    data = np.random.default_rng(0).normal(size=(32, 64)).astype(np.float32)
    made = quantize(model, data, recipe=Recipe(effort="fast", placement=PlacementWish(prefer="speed")), detail=True)
    assert (list(made.plan.weights), list(made.plan.stored)) == ([], ["fc:1"])
    (value,) = detail_of(made).values
    assert (value.name, value.role, value.dtype) == ("fc:1", "weight", "int8")
    assert value.histogram is not None and sum(value.histogram.counts) == 64 * 64


def test_nothing_proven_shows_the_plan() -> None:
    made = quantize(shipped_model("digits"), "digits", recipe=RECIPE, prove=False, detail=True)
    assert {node.runs_as for node in detail_of(made).nodes} == {"int8", "vanished"}
    assert all(node.name in made.plan.nodes for node in detail_of(made).nodes)


def test_the_same_run_draws_the_same() -> None:
    x = {"image": np.random.default_rng(0).random((8, 1, 16, 16), np.float32)}
    found = [detail_of(quantize(shipped_model("digits"), x, recipe=RECIPE, detail=True)) for _ in range(2)]
    assert replace(found[0], times=None) == replace(found[1], times=None)


def test_nobody_who_does_not_ask_waits_for_it() -> None:
    made = quantize(shipped_model("digits"), "digits", recipe=RECIPE, prove=False)
    assert (made.report.detail, made.report.layers) == (None, ())


@pytest.mark.parametrize(("batch", "samples"), [(3, 15), (32, 32)])
def test_samples_are_whole_batches_of_the_model(batch: int, samples: int) -> None:
    """Some that divide a batch would end the run, after all of its work."""
    inputs, outputs = f"float[{batch}, 4] x", f"float[{batch}, 2] y"
    model = net("[fc] y = MatMul(x, w)", inputs=inputs, outputs=outputs, constants={"w": weights(4, 2)})
    data = np.random.default_rng(0).normal(size=(batch * (192 // batch), 4)).astype(np.float32)
    assert detail_of(quantize(model, data, recipe=RECIPE, detail=True)).samples == samples
