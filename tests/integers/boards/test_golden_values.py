"""The codes of every value, of every operator that a file can have: written, and compared again."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.integers.boards.compare import compare_board
from edgeq.integers.boards.golden_values import DOCUMENT, MODEL, Form, golden_values, parse_values, read_back
from edgeq.integers.emit import emit_tflite
from edgeq.integers.signed import signed_codes
from edgeq.integers.tflite.layout import permuted
from edgeq.numerics.arrays import AnyArray
from tests.integers.ops.toys import TOYS, Toy, feeds, model


def stored(array: AnyArray) -> AnyArray:
    """Codes as a .tflite file has them: int8, channels last; whole numbers as int32."""
    return array.astype(np.int32) if array.dtype == np.int64 else permuted(signed_codes(array) if array.dtype != np.float32 else array)


@pytest.mark.parametrize("toy", TOYS, ids=str)
def test_every_operator_has_golden_values_and_a_board_that_gives_them_back_is_right(toy: Toy) -> None:
    pytest.importorskip("tflite", reason="needs the extra [tflite]")
    made = model(toy)
    given = {f"in_{name}": stored(array) for name, array in feeds(made).items()}
    found = golden_values(emit_tflite(made), "tflite", given)
    document = parse_values(found, "here")
    assert found.keys() == {MODEL, DOCUMENT, *(f"value_{name}" for name in document.values)}
    assert all(set(one.outputs) & set(document.values) or toy.floats for one in document.operators)
    compared = compare_board(found, found)
    assert (compared.first, compared.missing, compared.unknown) == (None, (), ())


@pytest.mark.parametrize("form", ["tflite", "onnx"])
def test_an_operator_reads_what_is_made_before_it(form: Form) -> None:
    """Also where a table is looked up by indices, which a .tflite file makes of codes."""
    pytest.importorskip("tflite", reason="needs the extra [tflite]")
    import onnx_ir as ir

    for toy in TOYS:
        made = model(toy)
        file = emit_tflite(made) if form == "tflite" else bytes(ir.to_proto(made).SerializeToString())
        graph, operations = read_back(file, form)
        known = {one.name for one in graph.inputs}
        for operation in operations:
            assert {one.name for one in operation.inputs} <= known, (str(toy), operation.name)
            known |= {one.name for one in operation.outputs}
