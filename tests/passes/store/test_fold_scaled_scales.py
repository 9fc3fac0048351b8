"""Scales that are dequantized themselves, multiplied into int8 codes where that is exact."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.read import constant
from edgeq.passes.store.fold_scaled_scales import FoldScaledScales
from edgeq.testing import check_pass
from tests.graph_text import net


def _model(codes: int, zero: int, across: bool) -> ir.Model:
    """A weight of 32 rows that are multiplied with, in two vectors each, of either layout."""
    chance = np.random.default_rng(0)
    shapes = ((4, 32), (4, 2)) if across else ((32, 4), (2, 4))
    constants = {
        "c": np.where(chance.random(shapes[0]) < 0.5, codes, -1).astype(np.int8), "v": np.full(shapes[1], 20, np.uint8),
        "g": np.linspace(0.1, 1, 4, dtype=np.float32), "z": np.full(4, zero, np.uint8),
    }  # fmt: skip
    one, other = (0, 1) if across else (1, 0)
    product = "y = Gemm<transB = 1>(x, w)" if across else "y = MatMul(x, w)"
    text = f"s = DequantizeLinear<axis = {one}>(v, g, z)   w = DequantizeLinear<axis = {other}, block_size = 16>(c, s)   {product}"
    return net(text, inputs="float[3, 32] x", outputs="float y", constants=constants, opset=21)


@pytest.mark.parametrize("across", [False, True])
def test_codes_of_either_layout_are_products(across: bool) -> None:
    after = check_pass(FoldScaledScales(), _model(6, 0, across), tolerance=1e-5)
    dequantize, _ = after.graph
    codes = constant(dequantize.inputs[0])
    assert codes is not None
    assert (codes.dtype, set(np.unique(codes))) == (np.int8, {-20, 120})
    assert dequantize.attributes.get_int("axis") == (0 if across else 1)


@pytest.mark.parametrize(("codes", "zero"), [(7, 0), (6, 1)], ids=["beyond int8", "a zero point"])
def test_what_is_no_product_in_int8_stays(codes: int, zero: int) -> None:
    assert len(list(check_pass(FoldScaledScales(), _model(codes, zero, False)).graph)) == 3
