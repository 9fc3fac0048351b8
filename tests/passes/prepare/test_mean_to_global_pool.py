"""MeanToGlobalPool: axes as attribute or input, negative or not, kept or dropped."""

from __future__ import annotations

import pytest

from edgeq.passes.prepare.mean_to_global_pool import MeanToGlobalPool
from edgeq.testing.pass_models import named_model
from tests.graph_text import lines


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("mean_drops_axes", ["y_pooled = GlobalAveragePool(x)", "y = Flatten(y_pooled)"]),
        ("mean_keeps_axes", ["y = GlobalAveragePool(x)"]),
    ],
)
def test_becomes_a_global_pool(name: str, left: list[str]) -> None:
    model = named_model(name)
    assert MeanToGlobalPool()(model).modified
    assert lines(model) == left
    assert next(iter(model.graph)).name == "ReduceMean_0"


def test_other_axes_stay() -> None:
    assert not MeanToGlobalPool()(named_model("mean_of_other_axes")).modified
