"""The pixels that a Resize of mode nearest selects are onnxruntime's."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.numerics.nearest_pixels import nearest_pixels
from edgeq.runtimes.ort import open_session
from tests.graph_text import net


@pytest.mark.parametrize("where", ["half_pixel", "asymmetric", "align_corners"])
@pytest.mark.parametrize("how", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
@pytest.mark.parametrize(("size", "wanted"), [(4, 8), (6, 9), (8, 4), (5, 15)])
def test_agrees_with_onnxruntime(where: str, how: str, size: int, wanted: int) -> None:
    attributes = f'mode = "nearest", coordinate_transformation_mode = "{where}", nearest_mode = "{how}"'
    model = net(f"y = Resize<{attributes}>(x, , , n)", inputs=f"float[1, 1, 1, {size}] x", constants={"n": np.array([1, 1, 1, wanted])})
    with open_session(model, optimize="off") as session:
        (found,) = session.run({"x": np.arange(size, dtype=np.float32).reshape(1, 1, 1, size)})
    assert found.reshape(-1).tolist() == nearest_pixels(where, how, size, wanted)
