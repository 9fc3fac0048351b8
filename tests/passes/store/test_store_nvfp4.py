"""NVFP4 in a file: the bits it takes, FP8 in a type of its own, the same floats from both."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.read import constant
from edgeq.numerics.formats.table import parse_format
from edgeq.passes.store.materialize import Materialize
from edgeq.passes.store.store_reals import StoredReals, StoreReals
from edgeq.testing import check_pass
from tests.graph_text import net

SHAPE = (128, 96)


def _stored() -> StoredReals:
    rows = np.random.default_rng(2).normal(size=(1, SHAPE[1], SHAPE[0])).astype(np.float32)
    return StoredReals(parse_format("nvfp4").fit(rows, None, (SHAPE[0],)), 1)


def _model(fitted: StoredReals, opset: int) -> ir.Model:
    model = net("y = MatMul(x, w)", inputs="float[5, 128] x", outputs="float y", constants={"w": fitted.reals(SHAPE)}, opset=opset)
    model.graph[0].name = "layer"
    return model


@pytest.mark.parametrize(("opset", "typed"), [(13, False), (21, False), (24, True)])
def test_a_matrix_is_the_same_floats(opset: int, typed: bool) -> None:
    fitted = _stored()
    after = check_pass(StoreReals({"layer:1": fitted}, typed), _model(fitted, opset), tolerance=0)
    kinds = {value.dtype for value in after.graph.initializers.values()}
    assert (ir.DataType.FLOAT8E4M3FN in kinds) == typed
    assert Materialize()(after).modified
    assert np.array_equal(np.asarray(constant(after.graph.initializers["w"])), fitted.reals(SHAPE))


def test_the_file_holds_four_and_a_half_bits_a_number() -> None:
    fitted = _stored()
    model = _model(fitted, 21)
    StoreReals({"layer:1": fitted})(model)
    held = sum(-(-int(np.prod(value.shape.numpy())) * value.dtype.bitwidth // 8) for value in model.graph.initializers.values())  # type: ignore[union-attr]
    tables = 4 * (256 + 16)
    assert held == pytest.approx(4.5 / 8 * SHAPE[0] * SHAPE[1] + tables, abs=100)
