"""Which values get 16 bits, on what grids the other width reads them, and what is refused."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.errors import BadRecipe
from edgeq.integers.emit import emit_tflite
from edgeq.integers.graph import integer_graph
from edgeq.integers.legality.check import broken_facts
from edgeq.integers.run import Interpreter
from edgeq.integers.tflite.parse import parse
from edgeq.numerics.grid import dequantize
from edgeq.numerics.grid import quantize as codes_of
from edgeq.report.quantized import Quantized
from edgeq.schema.plan import Plan, parse_plan
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import load_target
from tests.graph_text import net, weights

#: HardSwish has no kernel of 16 bits; the Relu is fused into the first layer
BODY = """[c1] a = Conv<pads = [1, 1, 1, 1]>(x, w1) [r] b = Relu(a) [hs] c = HardSwish(b) [c2] d = Conv(c, w2) [add] e = Add(b, c)
[p] f = GlobalAveragePool(e) [q] g = GlobalAveragePool(d) [cat] h = Concat<axis = 1>(f, g) [fl] i = Flatten(h) [fc] j = Gemm(i, w3)
[s] y = Softmax(j)"""
CONSTANTS = {"w1": weights(6, 4, 3, 3), "w2": weights(5, 6, 1, 1, seed=1), "w3": weights(11, 7, seed=2)}


def model() -> ir.Model:
    return net(BODY, inputs="float[N, 4, 8, 8] x", constants=CONSTANTS)


def data() -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(0).normal(size=(24, 4, 8, 8)).astype(np.float32)}


def made(*activations: str, target: str = "mcu_tflite", **recipe: object) -> Quantized:
    wish = Recipe.model_validate({"activations": activations, "effort": "fast", **recipe})
    return quantize(model(), data(), target=target, recipe=wish, prove=False)


@pytest.fixture(scope="module")
def whole() -> Quantized:
    return made("int16")


def wide_nodes(plan: Plan) -> set[str]:
    return {name for name, node in plan.nodes.items() if node.bits == 16}


def test_everything_with_a_kernel_has_16_bits(whole: Quantized) -> None:
    plan = whole.plan
    assert set(plan.nodes) - wide_nodes(plan) == {"hs"}
    assert {name for name, grid in plan.grids.items() if grid.dtype == "int8"} == {"c"}
    assert all(grid.zero_point == 0 for grid in plan.grids.values() if grid.dtype == "int16")
    assert plan.grids["y"].scale == 2.0**-15


def test_the_other_width_reads_a_border(whole: Quantized) -> None:
    assert {name: grid.dtype for name, grid in whole.plan.borders.items()} == {"b": "int8", "c": "int16"}


def test_no_number_changes_from_8_to_16_bits(whole: Quantized) -> None:
    narrow, wide = whole.plan.grids["c"].params, whole.plan.borders["c"].params
    real = dequantize(np.arange(-128, 128).astype(np.int8), narrow)
    assert np.array_equal(dequantize(codes_of(real, wide), wide), real)


def test_a_relu_is_fused_where_its_grid_cannot_hold_it(whole: Quantized) -> None:
    (layer,) = (step for step in integer_graph(whole.model).steps if step.name == "c1")
    assert layer.clamp == (0.0, float("inf"))
    (operator,) = [op for op in parse(emit_tflite(whole.model)).operators if op.code == "CONV_2D"][:1]
    assert operator.options["FusedActivationFunction"] == 1


def test_runtimes_agree_and_16_bits_are_nearer_to_float(whole: Quantized) -> None:
    from edgeq.runtimes.ort import open_session

    sample = {"x": data()["x"][:1]}
    with open_session(model()) as session:
        (wanted,) = session.run(sample)
    errors = {}
    for bits, result in ((8, made()), (16, whole)):
        machine = Interpreter(result.model)
        (found,) = machine.run(sample).outputs.values()
        errors[bits] = float(np.sum((dequantize(found, machine.output_grids["y"]) - wanted) ** 2))
    assert errors[16] < errors[8]
    litert = pytest.importorskip("edgeq.runtimes.tflite.litert")
    pytest.importorskip("ai_edge_litert", reason="needs the extra [backends]")
    machine = Interpreter(whole.model)
    codes = codes_of(sample["x"], machine.input_grids["x"])
    for kernels in ("reference", "xnnpack"):
        runs = litert.LiteRt(emit_tflite(whole.model), kernels)
        (there,) = runs.run([codes.transpose(0, 2, 3, 1)])
        assert np.abs(there.astype(int) - next(iter(machine.run(sample).outputs.values())).astype(int)).max() <= 2


def test_single_nodes_by_pattern() -> None:
    plan = made("c2=int16").plan
    assert wide_nodes(plan) == {"c2"}
    assert plan.grids["d"].dtype == "int16" and {name: grid.dtype for name, grid in plan.borders.items()} == {"c": "int16", "d": "int8"}


def test_the_plan_repeats_the_run(whole: Quantized) -> None:
    plan = parse_plan(whole.plan.to_json(), "plan")
    again = quantize(model(), None, target="mcu_tflite", plan=plan, prove=False)
    assert emit_tflite(again.model) == emit_tflite(whole.model)


def test_the_target_takes_the_model(whole: Quantized) -> None:
    assert broken_facts(whole.model, load_target("mcu_tflite")) == ()
    rules = {one.rule for one in broken_facts(whole.model, load_target("npu_int8"))}
    assert "activation_dtype" in rules


@pytest.mark.parametrize(
    ("target", "words", "what"),
    [
        ("cpu", ("int16",), "in float"),
        ("npu_int8", ("int16",), "no kernels"),
        ("mcu_tflite", ("uint16",), "of int16"),
        ("cpu", ("uint16",), "in float"),
    ],
)
def test_what_a_target_lacks_is_refused(target: str, words: tuple[str, ...], what: str) -> None:
    with pytest.raises(BadRecipe, match=what):
        made(*words, target=target)


def test_a_pattern_without_a_node_is_refused() -> None:
    with pytest.raises(BadRecipe, match="matches no node"):
        made("nothing*=int16")


@pytest.mark.parametrize("words", [("int12",), ("a=int8",), ("int16", "b=uint16"), ("=int16",)])
def test_words_that_no_recipe_knows(words: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="of one type"):
        Recipe(activations=words)
