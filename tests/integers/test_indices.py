"""Whole numbers that are no codes, such as the tokens of an embedding: int64 in ONNX, int32 in
TFLite.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.errors import UnsupportedOp
from edgeq.integers.emit import emit_tflite
from edgeq.integers.golden import golden_vectors
from edgeq.integers.run import Interpreter
from edgeq.numerics.arrays import AnyArray
from edgeq.schema.recipe import Recipe
from tests.graph_text import net, weights

IDS = {"ids": np.random.default_rng(0).integers(0, 30, (16, 2, 6))}
CONSTANTS = {"table": weights(30, 8), "other": weights(30, 4), "i": np.array(0), "j": np.array(1), "w": weights(12, 5)}
TAGGER = "p = Gather<axis = 1>(ids, i)  q = Gather<axis = 1>(ids, j)  e = Gather(table, p)  f = Gather(other, q)  "
TAGGER += "c = Concat<axis = 2>(e, f)  y = MatMul(c, w)"


def made(body: str, outputs: str = "float y", constants: dict[str, AnyArray] = CONSTANTS) -> ir.Model:
    float_model = net(body, inputs="int64[1, 2, 6] ids", outputs=outputs, constants=constants)
    return quantize(float_model, IDS, target="mcu_tflite", recipe=Recipe(effort="fast"), prove=False).model


@pytest.mark.parametrize("body", [TAGGER, TAGGER + "  n = ArgMax<axis = 2>(y)"])
def test_tokens_enter_and_classes_leave_as_int32(body: str) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs the extra [backends]")
    pytest.importorskip("tflite_micro", reason="needs the extra [backends]")
    from edgeq.runtimes.tflite.litert import LiteRt
    from edgeq.runtimes.tflite.tflm import TfLiteMicro

    model = made(body, "float y, int64 n" if "n = " in body else "float y")
    wanted = list(Interpreter(model).run({"ids": IDS["ids"][:1]}).outputs.values())
    written = emit_tflite(model)
    for opened in (LiteRt(written, "reference"), LiteRt(written, "xnnpack"), TfLiteMicro(written, 1, len(wanted))):
        assert opened.inputs[0].dtype == "int32"
        assert [port.dtype for port in opened.outputs] == ["int8", "int32"][: len(wanted)]
        for found, codes in zip(opened.run([IDS["ids"][:1].astype(np.int32)]), wanted, strict=True):
            np.testing.assert_array_equal(found, codes)


def test_negative_tokens_count_from_the_end_in_numpy_as_in_onnx() -> None:
    machine = Interpreter(made(TAGGER))
    ahead, behind = (machine.run({"ids": ids}).outputs["y"] for ids in (IDS["ids"][:1], IDS["ids"][:1] - 30))
    np.testing.assert_array_equal(ahead, behind)


def test_tokens_that_become_real_numbers_are_refused_by_name() -> None:
    body = "f = Cast<to = 1>(ids)  y = MatMul(f, w)"
    with pytest.raises(UnsupportedOp) as refused:
        emit_tflite(made(body, constants={"w": weights(6, 5)}))
    assert "Cast" in str(refused.value) or refused.value.where == "input ids"


def test_codes_by_computed_places_are_refused_by_name() -> None:
    body = "p = Gather<axis = 1>(ids, i)  e = Gather(table, p)  g = Relu(e)  b = Squeeze(p, k)  "
    body += "h = Gather<axis = 2>(g, b)  y = MatMul(h, w)"
    constants = {**CONSTANTS, "k": np.array([0]), "table": weights(30, 40), "w": weights(6, 5)}
    with pytest.raises(UnsupportedOp, match="neither its table nor its indices are constant"):
        emit_tflite(made(body, constants=constants))


def test_golden_vectors_hold_the_tokens_as_the_chip_takes_them() -> None:
    from edgeq.data.open import open_dataset
    from edgeq.graph.signature import input_specs

    model = made(TAGGER)
    vectors = golden_vectors(model, open_dataset(IDS, input_specs(model)), 3, channels_last=True)
    assert vectors["in_ids"].dtype == np.int32
    np.testing.assert_array_equal(vectors["in_ids"], IDS["ids"][:3])
