"""Outputs that differ between two runs of the float model are found, and said to be random."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.calibration.random_outputs import random_outputs
from edgeq.proof.compare import check_floors, compare_models
from edgeq.proof.findings import findings
from edgeq.schema.recipe import Floors
from tests.graph_text import net
from tests.proof.test_compare import Rows, rows

NUMBERS = {"half": np.float32(0.5), "none": np.float32(0), "on": np.array(True), "off": np.array(False)}


def made(body: str, outputs: str = "float[N, 4] y", inputs: str = "float[N, 4] x") -> ir.Model:
    used = {name: array for name, array in NUMBERS.items() if name in body}
    return net(body, inputs=inputs, outputs=outputs, constants=used)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("[drop] a = Dropout(x, half, on) y = Relu(a)", {"y": "drop"}),
        ('[drop] a = Dropout(x, "", on) y = Relu(a)', {"y": "drop"}),
        ("[drop] a = Dropout(x, half, off) y = Relu(a)", {}),
        ("[drop] a = Dropout(x, none, on) y = Relu(a)", {}),
        ("[drop] a = Dropout(x, half) y = Relu(a)", {}),
        ("[noise] r = RandomNormalLike(x) a = Relu(x) y = Add(a, r)", {"y": "noise"}),
        ("[noise] r = RandomUniform<shape = [4]>() y = Mul(x, r)", {"y": "noise"}),
        ("y = Relu(x) [noise] r = RandomNormalLike(x) a = Add(y, r)", {}),
    ],
)
def test_what_depends_on_random_numbers(body: str, found: dict[str, str]) -> None:
    assert random_outputs(made(body)) == found


def test_a_training_mode_that_a_run_decides_may_be_random() -> None:
    model = made("[drop] y = Dropout(x, half, t)", inputs="float[N, 4] x, bool t")
    assert random_outputs(model) == {"y": "drop"}


def test_numbers_that_a_branch_draws_count() -> None:
    branches = "then_branch = t () => (float[N, 4] a) { [noise] r = RandomNormalLike(x) a = Add(x, r) }, "
    branches += "else_branch = e () => (float[N, 4] b) { b = Identity(x) }"
    model = made(f"[if] c = If(t) <{branches}> y = Relu(c)", inputs="float[N, 4] x, bool t")
    assert random_outputs(model) == {"y": "noise"}


def test_a_random_output_is_told_and_does_not_judge() -> None:
    model = made("[noise] r = RandomNormalLike(x) y = Add(x, r) z = Relu(x)", "float[N, 4] y, float[N, 4] z")
    found = compare_models(model, model, Rows(rows()))
    assert found.weakest.output == "z"
    assert check_floors(found, Floors(min_sqnr=60.0)) == ()
    assert [(one.kind, one.output) for one in findings(found)] == [("random", "y")]
    assert "node noise draws other numbers in every run" in findings(found)[0].text
