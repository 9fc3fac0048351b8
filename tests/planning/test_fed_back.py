"""Ties: an output and the input that it is fed to share a grid, and words that name none are
refused.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import Quantized, calibrate, quantize
from edgeq.errors import BadRecipe, BadStatistics
from edgeq.numerics.grid import LIMITS
from edgeq.planning.fed_back import fed_back
from edgeq.schema.recipe import Recipe
from tests.graph_text import net, weights

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 8)).astype(np.float32)
#: wider than what any of the cells hands out
H = (4 * RNG.normal(size=(24, 8))).astype(np.float32)
WEIGHTS = {"w": weights(8, 8), "u": weights(8, 8, seed=1), "v": weights(4, 8, seed=2)}
_SUM = "a = Gemm<transB = 1>(x, w) b = Gemm<transB = 1>(h, u) s = Add(a, b) "
CELLS = {
    "tanh": _SUM + "o = Tanh(s) y = Gemm<transB = 1>(s, v)",
    "nothing behind the sum": _SUM + "o = Identity(s) t = Relu(s) y = Gemm<transB = 1>(t, v)",
    "shift register": "c = Concat<axis = 1>(h, x) o = Slice(c, from, to, one) y = Gemm<transB = 1>(x, v)",
    "relu": _SUM + "o = Relu(s) y = Gemm<transB = 1>(x, v)",
}


def cell(kind: str) -> ir.Model:
    known = dict(WEIGHTS)
    if kind == "shift register":
        known = {"v": WEIGHTS["v"], "from": np.array([8]), "to": np.array([16]), "one": np.array([1])}
    return net(CELLS[kind], inputs="float[1, 8] x, float[1, 8] h", outputs="float[1, 4] y, float[1, 8] o", constants=known)


def made(kind: str, target: str, *ties: str) -> Quantized:
    return quantize(cell(kind), {"x": X, "h": H}, target=target, recipe=Recipe(tie=ties), prove=False)


@pytest.mark.parametrize("target", ["mcu_tflite", "npu_int8", "dsp_int8"])
@pytest.mark.parametrize("kind", CELLS)
def test_an_output_and_the_input_it_is_fed_to_share_a_grid(kind: str, target: str) -> None:
    grids = made(kind, target, "o=h").plan.grids
    assert (grids["o"].scale, grids["o"].zero_point, grids["o"].dtype) == (grids["h"].scale, grids["h"].zero_point, grids["h"].dtype)
    assert grids["o"].group == grids["h"].group is not None


def test_without_a_tie_the_grids_are_chosen_apart() -> None:
    grids = made("nothing behind the sum", "npu_int8").plan.grids
    assert grids["o"].scale != grids["h"].scale


def test_the_grid_holds_what_both_need() -> None:
    """The states that were given are wider than those that the cell hands out here, or narrower."""
    for states in (H, H / 100):
        found = quantize(cell("nothing behind the sum"), {"x": X, "h": states}, target="npu_int8", prove=False,
                         recipe=Recipe(tie=("o=h",), rule="minmax", hold_out=False)).plan.grids["h"]  # fmt: skip
        sums = X @ WEIGHTS["w"].T + states @ WEIGHTS["u"].T
        low, high = LIMITS[found.dtype]
        assert (high - found.zero_point) * found.scale >= max(sums.max(), states.max()) - found.scale
        assert (low - found.zero_point) * found.scale <= min(sums.min(), states.min()) + found.scale


def test_an_output_whose_grid_is_its_relu_is_not_widened_by_states_below_zero() -> None:
    """The Relu is gone: only the end of the grid clips, and a wider one would undo it."""
    found = made("relu", "npu_int8", "o=h")
    absorbed = [node for node in found.plan.nodes.values() if node.op_type == "Relu" and node.runs == "absorbed"]
    assert absorbed and found.plan.grids["h"].zero_point == LIMITS[found.plan.grids["h"].dtype][0]


def test_the_codes_of_a_tflite_file_can_be_copied() -> None:
    tflite = pytest.importorskip("ai_edge_litert.interpreter", reason="needs the extra [backends]")
    from edgeq.integers.emit import emit_tflite

    reader = tflite.Interpreter(model_content=emit_tflite(made("tanh", "mcu_tflite", "o=h").model))
    ends = {one["name"].split(":")[0]: one["quantization"] for one in (*reader.get_input_details(), *reader.get_output_details())}
    assert ends["o"] == ends["h"]


def test_statistics_belong_to_their_ties() -> None:
    model, data = cell("relu"), {"x": X, "h": H}
    statistics = calibrate(model, data, target="npu_int8", recipe=Recipe(tie=("o=h",)))
    assert quantize(model, target="npu_int8", recipe=Recipe(tie=("o=h",)), statistics=statistics, prove=False).plan.grids["o"].group
    with pytest.raises(BadStatistics, match="other settings"):
        quantize(model, target="npu_int8", statistics=statistics, prove=False)


@pytest.mark.parametrize("word", ["o", "h=o", "o=g", "=", "p=h", ""])
def test_a_word_that_names_no_pair_is_refused_with_the_names_there_are(word: str) -> None:
    with pytest.raises(BadRecipe, match="outputs y, o; inputs x, h"):
        fed_back(cell("tanh"), (word,))


def test_what_cannot_be_fed_back_is_refused() -> None:
    with pytest.raises(BadRecipe, match="shape"):
        fed_back(cell("tanh"), ("y=h",))
    with pytest.raises(BadRecipe, match="tied to 'o' already"):
        fed_back(cell("tanh"), ("o=h", "o=h"))
    counted = net("y = Cast<to = 7>(x) z = Relu(x)", inputs="float[1, 8] x, int64[1, 8] n", outputs="int64[1, 8] y, float[1, 8] z")
    with pytest.raises(BadRecipe, match="only float"):
        fed_back(counted, ("y=n",))
    with pytest.raises(BadRecipe, match="only float"):
        fed_back(counted, ("z=n",))


def test_names_may_hold_the_sign_itself() -> None:
    model = cell("tanh")
    model.graph.outputs[1].name, model.graph.inputs[1].name = "o=1", "h=0"
    assert fed_back(model, ("o=1=h=0",)) == (("o=1", "h=0"),)


def test_sizes_known_only_at_run_time_may_be_equal() -> None:
    model = net("y = Relu(h)", inputs="float[N, 8] h", outputs="float[M, 8] y")
    assert fed_back(model, ("y=h",)) == (("y", "h"),)
