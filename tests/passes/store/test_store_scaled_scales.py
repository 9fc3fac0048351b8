"""Weights of two levels as the HTP takes them, and back to int8 codes."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

import edgeq
from edgeq.graph.read import attribute_int, constant
from edgeq.integers.legality.check import check_model
from edgeq.numerics.formats.table import parse_format
from edgeq.passes.store.fold_scaled_scales import FoldScaledScales
from edgeq.passes.store.store_formats import FormatStorage
from edgeq.passes.store.store_scaled_scales import StoreScaledScales
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import load_target
from edgeq.schema.weight_format import WeightFormats
from edgeq.testing import check_pass
from tests.graph_text import net
from tests.small_models import text_model


def _model(inner: int, opset: int, op: str = "MatMul", readers: int = 1, word: str = "two_level:16") -> tuple[ir.Model, FormatStorage]:
    form = parse_format(word)
    stored = form.fit(np.random.default_rng(0).normal(size=(1, 64, inner)).astype(np.float32), None, (inner,))
    grid = form.codes8(stored)
    assert grid is not None
    text = f"""q = QuantizeLinear(x, s, z)   d = DequantizeLinear(q, s, z)   w_d = DequantizeLinear<axis = 1>(w, ws, wz)
               c = {op}(d, w_d)   y = Relu(c)""" + ("   e = Neg(w_d)   f = MatMul(d, e)   g = Relu(f)" if readers > 1 else "")  # fmt: skip
    constants = {"s": np.float32(0.02), "z": np.uint8(128), "w": np.ascontiguousarray(grid.codes[0].T).astype(np.int8),
                 "ws": grid.scale[0], "wz": np.zeros(64, np.int8)}  # fmt: skip
    outputs = "float y" if readers == 1 else "float y, float g"
    model = net(text, inputs=f"float[3, {inner}] x", outputs=outputs, constants=constants, opset=opset)
    for node in model.graph:
        if node.op_type == op and node.outputs[0].name == "c":
            node.name = "layer"
    return model, FormatStorage(form, 1)


@pytest.mark.parametrize("word", ["two_level:16", "two_level:64", "block:32"])
def test_both_levels_are_dequantized_and_come_back_as_the_same_codes(word: str) -> None:
    model, wanted = _model(128, 21, word=word)
    after = check_pass(StoreScaledScales({"layer:1": wanted}), model, tolerance=1e-5)
    outer = next(node for node in after.graph if attribute_int(node, "block_size", 0))
    inner = outer.inputs[1].producer()  # type: ignore[union-attr]
    assert inner is not None
    assert (outer.inputs[0].dtype, inner.inputs[0].dtype) == (ir.DataType.INT4, ir.DataType.UINT8)  # type: ignore[union-attr]
    back = check_pass(FoldScaledScales(), after, tolerance=1e-5)
    codes = [
        constant(value) for value in back.graph.initializers.values() if value.dtype == ir.DataType.INT8 and len(value.shape or ()) == 2
    ]
    assert [np.array_equal(one, constant(model.graph.initializers["w"])) for one in codes] == [True]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("inner", "opset", "op", "readers"),
    [(128, 17, "MatMul", 1), (120, 21, "MatMul", 1), (128, 21, "Gemm", 1), (128, 21, "MatMul", 2)],
    ids=["no type of four bits", "a vector that is not full", "a Gemm", "two readers"],
)
def test_other_weights_stay(inner: int, opset: int, op: str, readers: int) -> None:
    model, wanted = _model(inner, opset, op, readers)
    after = check_pass(StoreScaledScales({"layer:1": wanted}), model)
    assert not any(attribute_int(node, "block_size", 0) for node in after.graph)


def test_the_htp_gets_them_and_its_rules_see_int8_codes() -> None:
    chance = np.random.default_rng(0)
    text = """<ir_version: 10, opset_import: ["": 21]> net (float[1, 128] x) => (float[1, 32] y) {
              [one] h = MatMul(x, w) r = Relu(h) [two] y = Gemm<transB = 1>(r, v) }"""
    sizes = {"w": (128, 64), "v": (32, 64)}
    model = text_model(text, {name: chance.normal(size=size).astype(np.float32) for name, size in sizes.items()})  # type: ignore[arg-type]
    data = {"x": chance.normal(size=(16, 128)).astype(np.float32)}
    made = {}
    for target in ("qnn_htp", "cpu"):
        made[target] = edgeq.quantize(
            model, data, target=target, recipe=Recipe(weight_format=WeightFormats(name="two_level:16")), prove=False
        ).model
    blocked = {target: sum(attribute_int(node, "block_size", 0) for node in one.graph) for target, one in made.items()}
    assert blocked == {"qnn_htp": 16, "cpu": 0}
    assert not check_model(made["qnn_htp"], load_target("qnn_htp"))
