"""NotePacked: a model says that its .tflite file has weights of 4 bits, where codes fit them."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.api import quantize
from edgeq.integers.emit import emit_tflite
from edgeq.integers.legality.check import broken_facts
from edgeq.integers.tflite.parse import parse
from edgeq.passes.store.note_packed import NotePacked
from edgeq.report.quantized import Quantized
from edgeq.schema.origins import PACKED_KEY
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import load_target
from edgeq.testing import check_pass
from tests.graph_text import net, weights

BODY = "[conv] a = Conv<pads = [1, 1, 1, 1]>(x, w) [relu] b = Relu(a) [pool] p = GlobalAveragePool(b) f = Flatten(p) [fc] y = Gemm(f, v)"


def made(bits: int, target: str = "mcu_tflite") -> Quantized:
    model = net(BODY, inputs="float[N, 4, 8, 8] x", constants={"w": weights(8, 4, 3, 3), "v": weights(8, 5)})
    x = np.random.default_rng(0).normal(size=(24, 4, 8, 8)).astype(np.float32)
    return quantize(model, {"x": x}, target=target, recipe=Recipe(weight_bits=bits, effort="fast"), prove=False)


NOTED = {(4, "mcu_tflite"): True, (3, "mcu_tflite"): True, (8, "mcu_tflite"): False, (5, "mcu_tflite"): False}


@pytest.mark.parametrize(("bits", "target", "noted"), [(*key, noted) for key, noted in NOTED.items()])
def test_what_is_noted(bits: int, target: str, noted: bool) -> None:
    assert (PACKED_KEY in made(bits, target).model.metadata_props) == noted


@pytest.mark.parametrize("target", ["ethos_u", "npu_int8"])
def test_targets_without_such_kernels_note_nothing(target: str) -> None:
    assert PACKED_KEY not in made(4, target).model.metadata_props


def test_codes_that_are_computed_of_their_bits_are_packed_too() -> None:
    model = net(BODY, inputs="float[N, 16, 8, 8] x", constants={"w": weights(32, 16, 3, 3), "v": weights(32, 5)})
    x = np.random.default_rng(0).normal(size=(24, 16, 8, 8)).astype(np.float32)
    recipe = Recipe.model_validate({"weight_format": {"layers": ["Conv=int4"]}})
    result = quantize(model, {"x": x}, target="mcu_tflite", recipe=recipe, prove=False)
    types = {tensor.name: tensor.dtype for tensor in parse(emit_tflite(result.model)).tensors if tensor.name.endswith("_weight")}
    assert types == {"conv_weight": "int4", "fc_weight": "int8"}


def test_the_law_of_passes() -> None:
    model = made(4).model
    del model.metadata_props[PACKED_KEY]
    assert check_pass(NotePacked(), model, tolerance=0.0).metadata_props[PACKED_KEY] == "int4"


def test_a_model_without_weights_is_left_alone() -> None:
    assert not NotePacked()(net("y = Relu(x)", inputs="float[N, 4] x")).modified


def test_a_target_without_such_kernels_does_not_take_the_model() -> None:
    model = made(4).model
    rules = {name: {one.rule for one in broken_facts(model, load_target(name))} for name in ("mcu_tflite", "ethos_u")}
    assert rules["mcu_tflite"] == set()
    assert "weight_packed" in rules["ethos_u"]


def test_vela_is_not_started_on_a_file_that_ends_it() -> None:
    pytest.importorskip("ethosu", reason="needs the extra [backends]")
    from edgeq.errors import RuntimeRefused
    from edgeq.proof.elsewhere.handed import ProofSubject
    from edgeq.proof.elsewhere.other_runtimes import prove_in

    file = emit_tflite(made(4).model)
    assert "int4" in {tensor.dtype for tensor in parse(file).tensors}
    with pytest.raises(RuntimeRefused, match="INT4"):
        prove_in("vela", ProofSubject(None, file))
