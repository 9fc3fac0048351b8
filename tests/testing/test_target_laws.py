"""Every shipped target keeps the laws of targets, and a target that breaks one is told which."""

from __future__ import annotations

import pytest

from edgeq.api import quantize
from edgeq.data.open import open_dataset, shipped_model
from edgeq.graph.signature import input_specs
from edgeq.schema.target import load_target, shipped_targets
from edgeq.testing import check_target
from edgeq.testing.case import Case, ints
from edgeq.testing.target_laws import RECIPE, check_integers
from tests.changed import changed

#: tried in every run: one of each kind; the others are marked slow
ALWAYS = ("mcu_tflite", "tensorrt")


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in ALWAYS else pytest.mark.slow) for name in shipped_targets()])
def test_shipped_targets_keep_the_laws(name: str) -> None:
    check_target(name)


def test_outputs_far_from_float_are_told() -> None:
    with pytest.raises(AssertionError, match=r"law 3 of targets.*output logits has \d"):
        check_target("tensorrt", cases=(), floor_db=90.0)


def test_a_fact_that_the_model_breaks_is_told() -> None:
    """A limit of windows that planning does not keep, where float kernels are there too."""
    facts = load_target("nnapi")
    kernels = tuple(changed(kernel, max_window=1) if kernel.op == "Conv" else kernel for kernel in facts.kernel)
    with pytest.raises(AssertionError, match=r"law 2 of targets.*window"):
        check_target(changed(facts, kernel=kernels), cases=())


def test_an_operator_that_never_runs_in_integers_is_told() -> None:
    linear = Case("resize_linear", '[op] b = Resize<mode = "linear">(a, , , s)', {"s": ints(2, 8, 9, 9)})
    with pytest.raises(AssertionError, match=r"law 6 of targets.*Resize"):
        check_target("cpu", cases=(linear,))


def test_real_numbers_in_a_chip_of_integers_are_told() -> None:
    made = quantize(shipped_model("digits"), "digits", target=load_target("npu_int8", float_io=True), recipe=RECIPE, prove=False)
    with pytest.raises(AssertionError, match=r"law 5 of targets.*image.* are floats"):
        check_integers(made.model, made.model, open_dataset("digits", input_specs(made.model)), "npu_int8")
