"""Recurrent layers in integers: where the kernel pays, what stays float and why, and the wish for
ONNX's own operators.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.graph.read import nodes
from edgeq.numerics.grid import dequantize
from edgeq.planning.placement import place
from edgeq.report.quantized import Quantized
from edgeq.runtimes.ort import open_session
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import load_target
from edgeq.schema.weights import weight_key
from tests.graph_text import Constants, net, weights

CPU = load_target("cpu")


def tagger(hidden: int = 64, *, attributes: str = "", weight: str = "w", kind: str = "LSTM", gates: int = 4) -> ir.Model:
    body = f"k = Identity(j)  [op] a, h = {kind}<hidden_size = {hidden}{attributes}>(x, {weight}, r)  s = Squeeze(a, one)  y = MatMul(s, v)"
    constants: Constants = {
        "w": weights(1, gates * hidden, 48),
        "r": weights(1, gates * hidden, hidden, seed=1),
        "one": np.array([1]),
        "v": weights(hidden, 4),
    }
    return net(body, inputs=f"float[10, 1, 48] x, float[1, {gates * hidden}, 48] j", outputs="float y, float k", constants=constants)


def made(model: ir.Model, **recipe: bool) -> Quantized:
    rng = np.random.default_rng(0)
    shapes = {str(value.name): value.shape for value in model.graph.inputs}
    data = {name: rng.normal(size=(32, *(int(size) for size in shape or ()))).astype(np.float32) for name, shape in shapes.items()}
    return quantize(model, data, recipe=Recipe(effort="fast", **recipe))


def kinds(model: ir.Model) -> set[str]:
    return {f"{node.domain}.{node.op_type}".lstrip(".") for node in nodes(model)}


def test_an_lstm_becomes_an_integer_kernel_with_all_its_work_and_the_report_names_it() -> None:
    result = made(tagger())
    assert "com.microsoft.DynamicQuantizeLSTM" in kinds(result.model)
    report = result.report
    assert report.contributed == ("com.microsoft.DynamicQuantizeLSTM",)
    assert any("DynamicQuantizeLSTM" in line and "--standard-operators" in line for line in report.notes)
    assert report.placement is not None
    assert report.placement.macs_int8_pct == 100
    assert report.fidelity is not None
    assert report.fidelity.sqnr_db > 30


def test_neighbouring_codes_do_not_saturate_kernels_without_vnni() -> None:
    plan = made(tagger()).plan
    for index in (1, 2):
        found = plan.weights[weight_key("op", index)]
        grid = found.params
        array = np.asarray(tagger().graph.initializers["wr"[index - 1]].const_value, np.float32)
        codes = np.clip(np.rint(array[0] / grid.scale[:, None]), -127, 127)
        first, second = codes[:, :-1:2], codes[:, 1::2]
        assert np.abs(np.where(first * second > 0, first + second, 0)).max() <= 128
        assert np.abs(dequantize(codes[None].astype(np.int8), grid) - array).max() <= 0.51 * float(grid.scale.max())


@pytest.mark.parametrize("option", [True, False])
def test_standard_operators_keep_the_layer_float_with_small_weights(option: bool) -> None:
    result = made(tagger(), standard_operators=option)
    assert all("." not in kind for kind in kinds(result.model)) is option
    assert bool(result.report.contributed) is not option
    assert ("op:1" in result.plan.stored) is option
    assert ("LSTM" in kinds(result.model)) is option


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (tagger(32), "takes longer than the float kernel where the hidden size is below 48: here it is 32"),
        (tagger(weight="j"), "computed at run time"),
        (tagger(attributes=", layout = 1"), "layout 0 only"),
        (tagger(kind="GRU", gates=3), "no integer kernel for GRU"),
    ],
)
def test_what_stays_float_says_why(model: ir.Model, why: str) -> None:
    node = place(model, CPU).nodes["op"]
    assert node.runs == "float"
    assert why in node.reason


def test_a_layer_that_the_user_keeps_float_is_kept() -> None:
    assert place(tagger(), CPU, ["LSTM"]).nodes["op"].because == "kept"


def test_a_float_gru_is_not_counted_as_integers() -> None:
    placement = made(tagger(kind="GRU", gates=3)).report.placement
    assert placement is not None
    assert placement.macs_int8_pct < 5


def test_a_plan_repeats_the_layer() -> None:
    first = made(tagger())
    again = quantize(tagger(), None, plan=first.plan)
    feeds = {str(value.name): np.ones([int(size) for size in value.shape or ()], np.float32) for value in first.model.graph.inputs}
    with open_session(first.model) as one, open_session(again.model) as other:
        for a, b in zip(one.run(feeds), other.run(feeds), strict=True):
            assert np.array_equal(a, b)
