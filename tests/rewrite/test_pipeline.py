"""lower and rewrite: what they leave alone, in which order they go, and that they repeat."""

from __future__ import annotations

import itertools
import json

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.calibration.observe import observe
from edgeq.data.open import open_dataset
from edgeq.graph.signature import input_specs
from edgeq.passes.place.hold_float import HoldFloat
from edgeq.planning.first_plan import MadeFrom, make_plan, values_to_observe
from edgeq.rewrite.lower import lower
from edgeq.rewrite.pipeline import rewrite, rewrite_passes
from edgeq.schema.plan import Plan, parse_plan
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import load_target
from tests.changed import changed
from tests.graph_text import eager, lines, net, weights

BODY = """[c1] a = Conv(x, w, b) [act] h = HardSwish(a) [pool] p = AveragePool<kernel_shape = [14, 14]>(h) [flat] f = Flatten(p)
    [fc] y = Gemm(f, k)"""
CONSTANTS = {"w": weights(8, 8, 3, 3), "b": weights(8), "k": weights(8, 4)}


def lowered(target_name: str = "cpu") -> ir.Model:
    model = net(BODY, constants=CONSTANTS)
    lower(model, load_target(target_name))
    return model


def planned(model: ir.Model) -> Plan:
    data = open_dataset({"x": np.random.default_rng(1).normal(size=(3, 8, 16, 16)).astype(np.float32)}, input_specs(model))
    target, recipe = eager(), Recipe()
    return make_plan(model, observe(model, values_to_observe(model, target, recipe), data), target, recipe, MadeFrom("", "", ""))


def serialised(model: ir.Model) -> bytes:
    return bytes(ir.to_proto(model).SerializeToString(deterministic=True))


def test_lowering_brings_operators_that_the_target_has() -> None:
    assert lines(lowered()) == [
        "a = Conv(x, w, b)",
        "h_gate = HardSigmoid(a)",
        "h = Mul(a, h_gate)",
        "p = GlobalAveragePool(h)",
        "f = Flatten(p)",
        "y = Gemm(f, k)",
    ]


def test_a_target_without_hard_sigmoid_keeps_hardswish() -> None:
    target = load_target("cpu")
    without = changed(target, kernel=tuple(k for k in target.kernel if k.op != "HardSigmoid"))
    model = net(BODY, constants=CONSTANTS)
    lower(model, without)
    assert "h = HardSwish(a)" in lines(model)


def test_rewriting_leaves_the_prepared_model_as_it_was() -> None:
    """Steps of the report and a search rewrite the same model again and again."""
    model = lowered()
    before = serialised(model)
    plan = planned(model)
    first, second = rewrite(model, plan, eager()), rewrite(model, plan, eager())
    assert serialised(model) == before
    assert serialised(first) == serialised(second)


def test_the_whole_net_becomes_integers() -> None:
    model = lowered()
    result = rewrite(model, planned(model), eager())
    onnx.checker.check_model(ir.to_proto(result), full_check=True)
    found = lines(result)
    assert found[0] == "x_quantized = QuantizeLinear(x, x_scale, x_zero_point)"
    assert found[-1] == "y = Gemm(f_dequantized, k_dequantized)"  # hands out float by itself
    flat = next(line for line in found if "Flatten" in line)
    assert flat.endswith("Flatten(p_quantized)")  # moved to the integers
    assert not any("HardSigmoid(" in line for line in found)
    stored = {name: value.dtype for name, value in result.graph.initializers.items()}
    assert (stored["w_quantized"], stored["b_quantized"], stored["k_quantized"]) == (ir.DataType.INT8, ir.DataType.INT32, ir.DataType.INT8)
    assert "w" not in stored


def test_the_order_is_a_plain_list() -> None:
    model = lowered()
    order = [type(step).__name__ for step in rewrite_passes(planned(model), eager())]
    for first, then in (
        ("AbsorbActivations", "InsertQdq"),
        ("CorrectBiases", "QuantizeBiases"),
        ("QuantizeConstants", "InsertQdq"),
        ("InsertQdq", "QuantizeBiases"),
        ("InsertQdq", "HardSigmoidToAdd"),
        ("HardSigmoidToAdd", "MoveToIntegers"),
    ):
        assert order.index(first) < order.index(then)


def test_nodes_keep_their_names() -> None:
    model = lowered()
    plan = planned(model)
    left = {node.name for node in rewrite(model, plan, eager()).graph}
    assert {name for name, node in plan.nodes.items() if node.runs != "absorbed"} <= left


def reworded(plan: Plan) -> Plan:
    """The plan with other words, and worse ones, for every reason."""
    document = json.loads(plan.to_json())
    words = itertools.cycle(("", "kept float by the recipe (x)", "an embedding table", "kept float by the search", "no idea"))
    for part in ("nodes", "grids", "weights", "stored"):
        for entry in document[part].values():
            entry["reason"] = next(words)
    return parse_plan(json.dumps(document), "here")


KEPT_BODY = """[look] e = Gather<axis = 0>(table, ids) [fc1] m = MatMul(e, w) [r1] r = Relu(m) [fc2] n = MatMul(r, v)
    [r2] s = Relu(n) [fc3] o = MatMul(s, v) [exp] y = Exp(o)"""


def test_the_words_of_reasons_are_for_people_alone() -> None:
    """A node that the recipe or a search keeps float, an embedding, and nodes float by cost: each
    the same with other words.
    """
    constants = {"table": weights(500, 16), "w": weights(16, 16), "v": weights(16, 16, seed=1)}
    model = net(KEPT_BODY, inputs="int64[N, 6] ids", constants=constants)
    ids = {"ids": np.random.default_rng(0).integers(0, 500, (16, 6))}
    plan = quantize(model, ids, recipe=Recipe(keep_float=("fc2",)), prove=False).plan
    target = load_target("cpu")
    assert {name: node.because for name, node in plan.nodes.items() if node.because in ("kept", "embedding", "obstacle")} == {
        "look": "embedding",
        "fc2": "kept",
        "exp": "obstacle",
    }
    other = reworded(plan)
    assert serialised(rewrite(model, other, target)) == serialised(rewrite(model, plan, target))
    pinned, free = (
        rewrite_passes(parse_plan(plan.to_json().replace('"because": "kept"', f'"because": "{because}"'), ""), target)
        for because in ("kept", "cost")
    )
    held = [next(step.names for step in steps if isinstance(step, HoldFloat)) for steps in (pinned, free)]
    assert held == [{"fc2"}, set()]  # what code reads instead


@pytest.mark.parametrize(
    ("attributes", "shape", "kernel"),
    [
        ("kernel_shape = [2, 2], dilations = [2, 2]", "1, 8, 16, 16", (1, 1)),
        ("kernel_shape = [2], dilations = [3]", "1, 8, 16", (1,)),
        ("kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1], ceil_mode = 1, count_include_pad = 1", "1, 8, H, W", (1, 1)),
    ],
)
def test_a_pool_that_the_integer_kernel_cannot_compute_stays_float(attributes: str, shape: str, kernel: tuple[int, ...]) -> None:
    """Left alone, onnxruntime makes an integer pool of it, which it refuses or which adds more."""
    constants = {"w": weights(8, 8, *kernel)}
    model = net(
        f"c = Conv(x, w) [pool] p = AveragePool<{attributes}>(c)  y = Conv(p, w)", inputs=f"float[{shape}] x", constants=constants, opset=19
    )
    made = quantize(model, {"x": weights(8, 8, *[16] * len(kernel))}, target=eager(), recipe=Recipe(effort="fast"), data_doubts="accept")
    assert made.report.placement is not None and made.report.fidelity is not None
    assert [node.runs_as for node in made.report.placement.nodes if node.op_type == "AveragePool"] == ["float"]
    assert made.report.fidelity.sqnr_db > 25
