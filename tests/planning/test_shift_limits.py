"""Shifts of a chip: scales are chosen within them, on models whose own scales are far outside."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import Quantized, compare, quantize
from edgeq.errors import BadTarget
from edgeq.integers.legality.check import check_model
from edgeq.io.strict_toml import validate
from edgeq.numerics.arrays import F32
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target, load_target
from tests.changed import changed
from tests.graph_text import net

CHIP = load_target("npu_pow2")
#: the same chip without ends of its shifters
UNLIMITED = changed(CHIP, kernel=tuple(changed(k, shift=None, align=None) for k in CHIP.kernel))
CHANCE = np.random.default_rng(0)
X = CHANCE.normal(size=(32, 4, 6, 6)).astype(np.float32)
#: two channels that hardly differ: the layer that takes their difference makes small numbers of
#: large products
TWINS = np.concatenate([X[:, :1], X[:, :1] + 1e-5 * X[:, 1:2]], 1)


def made(model: ir.Model, x: F32, target: Target, effort: str = "default") -> Quantized:
    return quantize(model, {"x": x}, target=target, recipe=Recipe.model_validate({"effort": effort}), prove=False)


def differences() -> ir.Model:
    weights = np.array([[1.0, -1.0], [-1.0, 1.0]]).reshape(2, 2, 1, 1)
    return net("c = Conv(x, w)  r = Relu(c)  y = Conv(r, v)", inputs="float[N, 2, 6, 6] x",
               constants={"w": weights, "v": CHANCE.normal(size=(3, 2, 1, 1))})  # fmt: skip


def weak_beside_its_bias() -> ir.Model:
    return net("y = Conv(x, w, b)", inputs="float[N, 4, 6, 6] x",
               constants={"w": 1e-7 * CHANCE.normal(size=(3, 4, 1, 1)), "b": np.array([1.0, -2.0, 3.0])})  # fmt: skip


def far_apart() -> ir.Model:
    return net("a = Conv(x, w)  b = Conv(x, v)  s = Add(a, b)  y = MaxPool<kernel_shape = [2, 2]>(s)", inputs="float[N, 4, 6, 6] x",
               constants={"w": CHANCE.normal(size=(3, 4, 1, 1)), "v": 1e-4 * CHANCE.normal(size=(3, 4, 1, 1))})  # fmt: skip


def far_from_a_constant() -> ir.Model:
    return net("a = Conv(x, w)  r = Relu(a)  y = Add(r, k)", inputs="float[N, 4, 6, 6] x",
               constants={"w": CHANCE.normal(size=(3, 4, 1, 1)), "k": np.full((1, 3, 1, 1), 1e-4)})  # fmt: skip


@pytest.mark.parametrize("effort", ["fast", "default"])
@pytest.mark.parametrize(
    ("model", "x", "rule"),
    [(differences, TWINS, "shift"), (weak_beside_its_bias, X, "shift"), (far_apart, X, "align"), (far_from_a_constant, X, "align")],
    ids=["shift too small", "shift too large", "operands apart", "constant apart"],
)
def test_scales_are_chosen_within_the_shifts(model: object, x: F32, rule: str, effort: str) -> None:
    assert callable(model)
    free = made(model(), x, UNLIMITED, effort)
    assert {found.rule for found in check_model(free.model, CHIP)} == {rule}
    kept = made(model(), x, CHIP, effort)
    assert check_model(kept.model, CHIP) == ()


def test_a_lifted_grid_loses_nothing_that_was_known() -> None:
    """Where it shifts to the left, the finer output scale shows no more than the sums' own step."""
    model, chance = differences(), np.random.default_rng(1)
    twins = np.concatenate([X[:, :1], X[:, :1] + 1e-2 * chance.normal(size=X[:, :1].shape).astype(np.float32)], 1)
    free, kept = (compare(model, made(model, twins, target).model, {"x": twins}).outputs[0].sqnr_db for target in (UNLIMITED, CHIP))
    assert kept > free - 1


def test_facts_that_contradict_each_other_are_refused() -> None:
    raw = CHIP.model_dump()
    raw["activations"]["power_of_two"] = False
    with pytest.raises(BadTarget, match="not powers of two"):
        validate(Target, raw, "chip.toml", BadTarget, "target")
    raw = CHIP.model_dump()
    next(kernel for kernel in raw["kernel"] if kernel["op"] == "Conv")["shift"] = (3, 2)
    with pytest.raises(BadTarget, match="at most"):
        validate(Target, raw, "chip.toml", BadTarget, "target")
