"""AverageAsConv: an average that goes to a finer grid becomes a convolution of ones."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.passes.foreign.average_as_conv import AverageAsConv
from edgeq.testing import check_pass
from tests.graph_text import net

BODY = """q = QuantizeLinear(x, s, z)  f = DequantizeLinear(q, s, z)  m = AveragePool<{how}>(f)
          h = QuantizeLinear(m, t, z)  y = DequantizeLinear(h, t, z)"""


def model(how: str, scale: float = 0.0093) -> ir.Model:
    constants = {"s": np.float32(0.05), "z": np.int8(0), "t": np.float32(scale)}
    return net(BODY.format(how=how), inputs="float[1, 4, 8, 8] x", constants=constants)


@pytest.mark.parametrize(
    "how",
    [
        "kernel_shape = [2, 2], strides = [2, 2]",
        "kernel_shape = [3, 2]",
        "kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1",
    ],
)
def test_it_computes_the_same_numbers(how: str) -> None:
    after = check_pass(AverageAsConv(), model(how), tolerance=0.02)
    assert "Conv" in [node.op_type for node in after.graph]


@pytest.mark.parametrize(
    ("how", "scale"),
    [("kernel_shape = [2, 2]", 0.06), ("kernel_shape = [2, 2]", 0.05), ("kernel_shape = [3, 3], pads = [1, 1, 1, 1]", 0.01),
     ('kernel_shape = [3, 3], auto_pad = "SAME_UPPER"', 0.01)],
    ids=["coarser", "equal", "uncounted padding", "SAME"],
)  # fmt: skip
def test_other_pools_stay(how: str, scale: float) -> None:
    assert not AverageAsConv()(model(how, scale)).modified


@pytest.mark.parametrize("scale", [0.0093, 0.093])
def test_a_pool_over_the_whole_image_becomes_global(scale: float) -> None:
    after = check_pass(AverageAsConv(), model("kernel_shape = [8, 8]", scale), tolerance=0.02)
    assert [node.op_type for node in after.graph][2] == "GlobalAveragePool"
    assert not AverageAsConv()(model("kernel_shape = [8, 8]", 0.05)).modified
