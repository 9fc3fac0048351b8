"""Nothing was quantized: the report says so, with the cause, and does not judge size or speed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgeq.api import quantize
from edgeq.report.page.write import to_html
from edgeq.report.text import report_text
from edgeq.schema.recipe import Recipe
from tests.graph_text import net, weights
from tests.reports import plain_text

FAST = Recipe(effort="fast")


@pytest.mark.parametrize(
    ("body", "recipe", "why"),
    [
        ("y = Exp(x)", FAST, "no integer kernel for Exp"),
        ("c = MatMul(x, w) y = Exp(c)", Recipe(effort="fast", keep_float=("MatMul",)), "kept float by the recipe"),
        ("c = Shape(x) y = Gather<axis = 0>(c, i)", FAST, "no integer kernel for Shape"),
    ],
)
def test_a_report_says_that_nothing_was_quantized(body: str, recipe: Recipe, why: str) -> None:
    constants = {"w": weights(4, 4)} if "w)" in body else {"i": np.array(0)} if "i)" in body else {}
    output = "int64 y" if "Shape" in body else "float[N, 4] y"
    model = net(body, inputs="float[N, 4] x", outputs=output, constants=constants)
    data = {"x": np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)}
    report = quantize(model, data, recipe=recipe).report
    assert why in (report.untouched or "")
    assert json.loads(report.to_json())["untouched"] == report.untouched
    text = " ".join(plain_text(report_text(report)).split())
    assert "NOTHING WAS QUANTIZED" in text
    assert "x)" not in text.split("took")[0]  # no ratio of sizes
    assert "faster" not in text
    page = to_html(report)
    assert "Nothing was quantized" in page
    assert "faster" not in page


def test_one_layer_is_something() -> None:
    model = net("c = MatMul(x, w) y = Exp(c)", inputs="float[N, 64] x", outputs="float[N, 64] y", constants={"w": weights(64, 64)})
    data = {"x": np.random.default_rng(0).normal(size=(12, 64)).astype(np.float32)}
    report = quantize(model, data, recipe=FAST, prove=False).report
    assert report.untouched is None
    assert "NOTHING" not in plain_text(report_text(report))
