"""QuantizeRecurrent: LSTMs in every form as one integer kernel, which computes the same but for
rounding.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from onnx_ir.passes.common import RemoveUnusedNodesPass

from edgeq.graph.edit import Names
from edgeq.graph.read import constant
from edgeq.numerics.grid import PerChannel, PerTensor, QuantParams, quantize
from edgeq.passes.quantize.qdq import dequantize_constant
from edgeq.passes.quantize.quantize_recurrent import QuantizeRecurrent
from edgeq.proof.proof import prove_placement
from edgeq.runtimes.ort import open_session
from tests.graph_text import Constants, net, weights

HIDDEN, WIDTH, STEPS, ROWS = 24, 20, 9, 3
FEED = {"x": np.random.default_rng(3).normal(size=(STEPS, ROWS, WIDTH)).astype(np.float32)}


def lstm(attributes: str = "", more: str = "", directions: int = 1) -> ir.Model:
    """An LSTM with some of its optional inputs, and weights on small codes, whose sums no kernel
    saturates.
    """
    constants: Constants = {
        "w": weights(directions, 4 * HIDDEN, WIDTH),
        "r": weights(directions, 4 * HIDDEN, HIDDEN, seed=1),
        "b": weights(directions, 8 * HIDDEN, seed=2),
        "n": np.array([4, 9, 6], np.int32),
        "h0": weights(directions, ROWS, HIDDEN, seed=3),
        "c0": weights(directions, ROWS, HIDDEN, seed=4),
        "p": weights(directions, 3 * HIDDEN, seed=5),
    }
    body = f"[op] y, h, c = LSTM<hidden_size = {HIDDEN}{attributes}>(x, w, r{more})"
    return net(body, inputs=f"float[{STEPS}, {ROWS}, {WIDTH}] x", outputs="float y, float h, float c", constants=constants)


def with_codes(model: ir.Model, *, channels: bool = True) -> ir.Model:
    """The model with both weights behind a DequantizeLinear."""
    node = next(node for node in model.graph if node.name == "op")
    names = Names(model)
    for index in (1, 2):
        array = constant(node.inputs[index])
        assert array is not None
        peak = np.abs(array).max(axis=(0, 2)) if channels else np.abs(array).max()
        scale = np.asarray(peak / 60, np.float32)
        grid = QuantParams("int8", scale, np.zeros(scale.shape, np.int32), PerChannel(1) if channels else PerTensor(), True)
        node.replace_input_with(index, dequantize_constant(node, quantize(array, grid), grid, f"k{index}", names))
    RemoveUnusedNodesPass()(model)
    return model


FORMS = [
    ("", "", 1),
    ("", ", b", 1),
    (', direction = "reverse"', ", b", 1),
    (', direction = "bidirectional"', ", b", 2),
    (', direction = "bidirectional"', ", b, n, h0, c0, p", 2),
    ("", ", , n", 1),
    ("", ", b, , h0, c0", 1),
    ("", ", , , , , p", 1),
    (", clip = 0.5", ", b", 1),
    (", input_forget = 1", "", 1),
    (', activations = ["Sigmoid", "Relu", "Tanh"]', ", b", 1),
    (', activations = ["HardSigmoid", "Tanh", "Tanh"], activation_alpha = [0.25], activation_beta = [0.5]', "", 1),
]


@pytest.mark.parametrize("channels", [True, False])
@pytest.mark.parametrize(("attributes", "more", "directions"), FORMS)
def test_every_form_computes_the_same_but_for_rounding(attributes: str, more: str, directions: int, channels: bool) -> None:
    model = with_codes(lstm(attributes, more, directions), channels=channels)
    with open_session(model) as session:
        wanted = session.run(FEED)
    assert QuantizeRecurrent({"op"})(model).modified
    node = next(iter(model.graph))
    assert (node.domain, node.op_type, len(model.graph)) == ("com.microsoft", "DynamicQuantizeLSTM", 1)
    with open_session(model) as session:
        found = session.run(FEED)
    for one, other in zip(wanted, found, strict=True):
        noise = float(np.mean((one - other) ** 2) / np.mean(one**2))
        assert 10 * np.log10(1 / noise) > 30
    assert not QuantizeRecurrent({"op"})(model).modified


def test_the_kernel_counts_as_one_of_integers() -> None:
    model = with_codes(lstm("", ", b"))
    QuantizeRecurrent({"op"})(model)
    (row,) = (row for row in prove_placement(model).nodes if row.name == "op")
    assert (row.runs_as, row.reason) == ("int8", "DynamicQuantizeLSTM")
    assert row.macs == STEPS * ROWS * 4 * HIDDEN * (WIDTH + HIDDEN)


def test_other_layers_and_others_names_are_left_alone() -> None:
    assert not QuantizeRecurrent({"other"})(with_codes(lstm())).modified
    gru = net(
        "[op] y = GRU<hidden_size = 4>(x, w, r)", inputs="float[3, 1, 4] x", constants={"w": weights(1, 12, 4), "r": weights(1, 12, 4)}
    )
    assert not QuantizeRecurrent({"op"})(gru).modified
