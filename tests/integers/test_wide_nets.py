"""Nets of one operator between layers, in 16 bits: runtimes compute what the interpreter does."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.api import Quantized, quantize
from edgeq.integers.emit import emit_tflite
from edgeq.integers.legality.check import broken_facts
from edgeq.integers.run import Interpreter
from edgeq.numerics.grid import quantize as codes_of
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import load_target
from edgeq.testing.case import Case
from edgeq.testing.operator_cases import ALL
from edgeq.testing.operator_nets import build, data_for

#: of each kind: what has 16 bits throughout, and what needs borders
NAMES = {
    "conv_bias", "conv_1d", "conv_depthwise", "gemm", "gemm_trans_a", "matmul_2d", "matmul_3d", "matmul_of_activations", "add_broadcast",
    "mul_constant", "concat", "hard_swish", "gather", "pad_reflect", "softmax", "sigmoid", "tanh", "max_pool",
}  # fmt: skip
CASES = [case for case in ALL if case.name in NAMES]


def made(case: Case, target: str = "mcu_tflite") -> Quantized:
    recipe = Recipe(effort="fast", activations=("uint16" if target == "qnn_htp" else "int16",))
    return quantize(build(case), data_for(case), target=target, recipe=recipe, prove=False)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_runtimes_compute_what_the_interpreter_does(case: Case) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs the extra [backends]")
    pytest.importorskip("tflite_micro", reason="needs the extra [backends]")
    from edgeq.runtimes.tflite.litert import LiteRt
    from edgeq.runtimes.tflite.tflm import TfLiteMicro

    model = made(case).model
    machine, written, x = Interpreter(model), emit_tflite(model), data_for(case)["x"][:2]
    wanted = next(iter(machine.run({"x": x}).outputs.values()))
    codes = codes_of(x, next(iter(machine.input_grids.values())))
    codes = codes.transpose(0, 2, 3, 1) if codes.ndim == 4 else codes
    for runs in (LiteRt(written, "reference"), TfLiteMicro(written)):
        batch = runs.inputs[0].shape[0]
        found = np.concatenate([runs.run([codes[start : start + batch]])[0] for start in range(0, len(codes), batch)])
        found = found.transpose(0, 3, 1, 2) if found.ndim == 4 else found
        assert np.abs(found.astype(int) - wanted.astype(int)).max() <= 2  # a step of each of three layers at most


@pytest.mark.parametrize("target", ["ethos_u", "qnn_htp"])
@pytest.mark.parametrize("name", ["conv_depthwise", "matmul_of_activations", "hard_swish", "concat"])
def test_other_targets_take_their_models(target: str, name: str) -> None:
    """What they do not take in 16 bits stays at 8."""
    case = next(case for case in ALL if case.name == name)
    result = made(case, target)
    assert broken_facts(result.model, load_target(target)) == ()
    narrow = (target, name) in {("qnn_htp", "matmul_of_activations"), ("ethos_u", "hard_swish")}
    assert result.plan.nodes["op"].bits == (8 if narrow else 16)
