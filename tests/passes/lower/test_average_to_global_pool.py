"""AverageToGlobalPool: only a kernel over the whole image, without padding or dilation."""

from __future__ import annotations

import pytest

from edgeq.passes.lower.average_to_global_pool import AverageToGlobalPool
from tests.graph_text import lines, net

WHOLE = "kernel_shape = [7, 5]"


def model_lines(attributes: str, shape: str = "1, 3, 7, 5", opset: int = 17) -> tuple[bool, list[str]]:
    model = net(f"y = AveragePool<{attributes}>(x)", inputs=f"float[{shape}] x", opset=opset)
    return bool(AverageToGlobalPool()(model).modified), lines(model)


@pytest.mark.parametrize(
    "attributes",
    [WHOLE, f"{WHOLE}, strides = [7, 5]", f"{WHOLE}, count_include_pad = 1, pads = [0, 0, 0, 0]", f'{WHOLE}, auto_pad = "VALID"'],
)
def test_a_kernel_over_everything_is_global(attributes: str) -> None:
    assert model_lines(attributes) == (True, ["y = GlobalAveragePool(x)"])


def test_lines_and_volumes_too() -> None:
    assert model_lines("kernel_shape = [9]", "1, 3, 9") == (True, ["y = GlobalAveragePool(x)"])
    assert model_lines("kernel_shape = [2, 3, 4]", "1, 3, 2, 3, 4") == (True, ["y = GlobalAveragePool(x)"])


@pytest.mark.parametrize(
    ("attributes", "shape"),
    [
        ("kernel_shape = [7, 4]", "1, 3, 7, 5"),
        (f"{WHOLE}, pads = [1, 0, 0, 0]", "1, 3, 7, 5"),
        (f'{WHOLE}, auto_pad = "SAME_UPPER"', "1, 3, 7, 5"),
        (WHOLE, "1, 3, 7, W"),
        (WHOLE, "1, 3, 8, 5"),
        ("kernel_shape = [4, 5], dilations = [2, 1]", "1, 3, 7, 5"),
    ],
)
def test_anything_else_stays(attributes: str, shape: str) -> None:
    modified, found = model_lines(attributes, shape, 19 if "dilations" in attributes else 17)
    assert (modified, found) == (False, ["y = AveragePool(x)"])
