"""Products of few rows become MatMulNBits with its accuracy level written out; others stay."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.numerics.arrays import F32
from edgeq.numerics.formats.format import Stored
from edgeq.numerics.formats.table import in_floats, parse_format
from edgeq.passes.store.store_block_products import StoreBlockProducts, can_be_block_product
from edgeq.runtimes.ort import open_session
from edgeq.testing import check_pass
from tests.graph_text import net

#: activations of 8 bits in blocks of 32 move outputs by less than this share, on average
NEAR = 0.01


def _weight(inner: int, outputs: int, size: int) -> Stored:
    rows = np.random.default_rng(3).normal(size=(1, outputs, inner)).astype(np.float32)
    return in_floats(parse_format(f"block:{size}")).fit(rows, None, (inner,))


def _real(stored: Stored, across: bool) -> F32:
    return np.ascontiguousarray(stored.real[0] if across else stored.real[0].T)


def _net(text: str, weight: F32, inner: int, **constants: np.ndarray) -> ir.Model:
    model = net(text, inputs=f"float[2, {inner}] x", outputs="float y", constants={"w": weight, **constants}, opset=17)
    model.graph[0].name = "layer"
    return model


def _same_but_for_activations(model: ir.Model, after: ir.Model) -> None:
    """The outputs differ a little at the level that is written, and not at all in floats."""
    exact = after.clone()
    exact.graph[0].attributes.add(ir.AttrInt64("accuracy_level", 0))
    wanted, found, same = (_run(one) for one in (model, after, exact))
    assert np.allclose(same, wanted, rtol=1e-4, atol=1e-4)
    share = np.sqrt(np.square(found - wanted).mean() / np.square(wanted).mean())
    assert 1e-5 < share < NEAR


def _run(model: ir.Model) -> F32:
    width = model.graph.inputs[0].shape[1]  # type: ignore[index]
    x = np.random.default_rng(5).normal(size=(2, int(width))).astype(np.float32)  # type: ignore[call-overload]
    return np.asarray(open_session(ir.to_proto(model).SerializeToString()).run({"x": x})[0])


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.parametrize(
    ("text", "across", "bias"),
    [
        ("y = MatMul(x, w)", False, False),
        ("y = Gemm(x, w)", False, False),
        ("y = Gemm<transB = 1>(x, w, b)", True, True),
    ],
)
def test_products_read_codes_and_scales(size: int, text: str, across: bool, bias: bool) -> None:
    stored = _weight(256, 48, size)
    more = {"b": np.linspace(-4, 4, 48, dtype=np.float32)} if bias else {}
    model = _net(text, _real(stored, across), 256, **more)
    after = check_pass(StoreBlockProducts({"layer:1": stored}), model, tolerance=None)
    _same_but_for_activations(model, after)
    node = after.graph[0]
    assert (node.domain, node.op_type) == ("com.microsoft", "MatMulNBits")
    found = {name: node.attributes.get_int(name) for name in ("K", "N", "bits", "block_size", "accuracy_level")}
    assert found == {"K": 256, "N": 48, "bits": 4, "block_size": size, "accuracy_level": 4}
    assert "w" not in after.graph.initializers


def test_the_last_block_may_be_short() -> None:
    stored = _weight(80, 24, 32)
    model = _net("y = MatMul(x, w)", _real(stored, False), 80)
    _same_but_for_activations(model, check_pass(StoreBlockProducts({"layer:1": stored}), model, tolerance=None))


@pytest.mark.parametrize(
    "text",
    [
        "y = Gemm<alpha = 2.0>(x, w)",
        "y = Gemm(x, w, row)",
        "m = MatMul(x, w)  t = Transpose(w)  n = MatMul(m, t)  y = Relu(n)",
    ],
)
def test_what_is_more_than_a_product_stays(text: str) -> None:
    stored = _weight(64, 64, 32)
    model = _net(text, _real(stored, False), 64, row=np.ones((2, 64), np.float32))
    assert not can_be_block_product(model.graph[0])
    assert check_pass(StoreBlockProducts({"layer:1": stored}), model).graph[0].domain == ""
