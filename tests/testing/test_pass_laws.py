"""Tests of the law of passes: each law catches a pass that breaks it, and says which one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.testing import check_pass
from edgeq.testing.pass_models import TEXTS, named_model


class Change(ir.passes.InPlacePass):
    """A pass that does one thing, and says what it likes."""

    def __init__(self, change: Callable[[ir.Model], None], says: bool = True) -> None:
        super().__init__()
        self.change, self.says, self.runs = change, says, 0

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        self.runs += 1
        if self.runs == 1:
            self.change(model)
        return ir.passes.PassResult(model, self.says and self.runs == 1)


def double_the_weight(model: ir.Model) -> None:
    weight = model.graph.initializers["w"]
    assert weight.const_value is not None
    weight.const_value = ir.tensor(2 * weight.const_value.numpy(), name="w")


def rename_the_output(model: ir.Model) -> None:
    model.graph.outputs[0].name = "other"


def misname_an_operator(model: ir.Model) -> None:
    model.graph.node(0).op_type = "Convolution"


@pytest.mark.parametrize(
    ("graph_pass", "words"),
    [
        (Change(misname_an_operator), "law 1 of passes.*Convolution"),
        (Change(rename_the_output), "law 2 of passes.*other"),
        (Change(double_the_weight), "law 3 of passes.*changes y by"),
        (Change(double_the_weight, says=False), "law 4 of passes"),
    ],
)
def test_a_broken_law_is_told(graph_pass: Change, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_pass(graph_pass, named_model("conv_bn_relu"))


def test_a_pass_that_finds_work_in_its_own_result_is_told() -> None:
    class Restless(ir.passes.InPlacePass):
        def call(self, model: ir.Model) -> ir.passes.PassResult:
            return ir.passes.PassResult(model, True)

    with pytest.raises(AssertionError, match=r"law 5 of passes.*Restless"):
        check_pass(Restless(), named_model("conv_bn_relu"))


def test_a_shared_initializer_changed_under_another_reader_is_told() -> None:
    with pytest.raises(AssertionError, match=r"law 3 of passes.*changes z"):
        check_pass(Change(_only_for_y), named_model("shared_weight"))


def _only_for_y(model: ir.Model) -> None:
    """Halve g, which scales y alone, and double w, which y and z share."""
    double_the_weight(model)
    scale = model.graph.initializers["g"]
    mean = model.graph.initializers["m"]
    assert scale.const_value is not None and mean.const_value is not None
    scale.const_value = ir.tensor(scale.const_value.numpy() / 2, name="g")
    mean.const_value = ir.tensor(mean.const_value.numpy() * 2, name="m")


def test_values_on_grids_are_not_compared() -> None:
    after = check_pass(Change(double_the_weight), named_model("conv_bn_relu"), tolerance=None)
    weight = after.graph.initializers["w"].const_value
    assert weight is not None
    assert np.array_equal(weight.numpy().reshape(-1), [2, -4, 1, 6])


def test_the_model_that_was_given_stays_as_it_was() -> None:
    model = named_model("conv_bn_relu")
    before = ir.to_proto(model).SerializeToString(deterministic=True)
    check_pass(Change(double_the_weight), model, tolerance=None)
    assert ir.to_proto(model).SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("name", TEXTS)
def test_every_law_model_is_valid(name: str) -> None:
    check_pass(Change(lambda _: None, says=False), named_model(name))
