"""NearestAsTaken: other attributes of a Resize, the same pixels."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.passes.lower.nearest_as_taken import NearestAsTaken
from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.runtimes.ort import open_session
from tests.graph_text import net, weights

TAKEN = (("half_pixel", "round_prefer_ceil"), ("asymmetric", "floor"), ("align_corners", "round_prefer_ceil"))


def resize(attributes: str, scales: tuple[float, ...] = (1, 1, 2, 2), shape: str = "N, 2, 3, 4") -> ir.Model:
    model = net(f"y = Resize<{attributes}>(x, , s)", inputs=f"float[{shape}] x", constants={"s": np.array(scales, np.float32)})
    InferShapes()(model)
    return model


def chosen(model: ir.Model) -> tuple[str, str]:
    node = model.graph.node(0)
    return (
        node.attributes.get_string("coordinate_transformation_mode", "half_pixel"),
        node.attributes.get_string("nearest_mode", "round_prefer_floor"),
    )


@pytest.mark.parametrize("where", ["half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"])
@pytest.mark.parametrize("how", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
@pytest.mark.parametrize("scales", [(1, 1, 2, 2), (1, 1, 3, 3), (1, 1, 1, 0.5)])
def test_selects_the_same_pixels(where: str, how: str, scales: tuple[float, ...]) -> None:
    model, x = resize(f'coordinate_transformation_mode = "{where}", nearest_mode = "{how}"', scales), weights(2, 2, 3, 4)
    with open_session(model, optimize="off") as session:
        (wanted,) = session.run({"x": x})
    changed = NearestAsTaken(TAKEN)(model).modified
    assert changed == (chosen(model) != (where, how))
    with open_session(model, optimize="off") as session:
        np.testing.assert_array_equal(session.run({"x": x})[0], wanted)


def test_the_default_becomes_one_that_is_taken() -> None:
    model = resize('mode = "nearest"')
    assert NearestAsTaken(TAKEN)(model).modified
    assert chosen(model) in TAKEN


@pytest.mark.parametrize(
    ("attributes", "scales"),
    [
        ('coordinate_transformation_mode = "asymmetric", nearest_mode = "floor"', (1, 1, 2, 2)),  # taken as it is
        ('nearest_mode = "floor"', (1, 1, 2, 2)),  # other pixels than all of them
        ('mode = "linear"', (1, 1, 2, 2)),
        ('coordinate_transformation_mode = "asymmetric"', (1, 1, 1.4, 1.4)),  # the scale is not the ratio of the sizes
    ],
)
def test_leaves_the_rest(attributes: str, scales: tuple[float, ...]) -> None:
    model = resize(attributes, scales)
    before = chosen(model)
    assert not NearestAsTaken(TAKEN)(model).modified
    assert chosen(model) == before


def test_leaves_sizes_that_are_not_known() -> None:
    assert not NearestAsTaken(TAKEN)(resize('mode = "nearest"', shape="N, 2, H, W")).modified
