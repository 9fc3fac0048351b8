"""A .tflite file is read back as the integers that were written: every operator, code by code."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.errors import UnsupportedOp
from edgeq.integers.emit import emit_tflite
from edgeq.integers.reading.read import READERS, read_tflite
from edgeq.integers.run import Interpreter
from edgeq.integers.signed import signed_codes
from edgeq.integers.tflite.layout import permuted
from edgeq.integers.tflite.read import file_operators
from edgeq.numerics.arrays import AnyArray
from tests.integers.ops.toys import TOYS, Toy, feeds, model


def stored(array: AnyArray) -> AnyArray:
    """Codes as the file has them: int8, channels last; whole numbers as int32."""
    return array.astype(np.int32) if array.dtype == np.int64 else permuted(signed_codes(array) if array.dtype != np.float32 else array)


@pytest.mark.parametrize("toy", TOYS, ids=str)
def test_what_is_read_computes_what_was_written(toy: Toy) -> None:
    pytest.importorskip("tflite", reason="needs the extra [tflite]")
    made = model(toy)
    given, written = feeds(made), emit_tflite(made)
    machine, read = Interpreter(made), read_tflite(written)
    again = Interpreter(read.graph)
    wanted = list(machine.run(given).outputs.values())
    found = again.run(dict(zip((one.name for one in read.graph.inputs), map(stored, given.values()), strict=True)))
    for codes, expected in zip(found.outputs.values(), wanted, strict=True):
        # where TFLite has another output grid than the model, the file rounds twice
        assert int(np.abs(codes.astype(int) - stored(expected).astype(int)).max()) <= toy.near
    assert found.overflows == machine.run(given).overflows


def test_a_file_of_several_subgraphs_is_listed_though_it_is_not_read() -> None:
    """Control flow has a subgraph for each body: what a runtime runs is listed all the same."""
    pytest.importorskip("tflite", reason="needs the extra [tflite]")
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated", reason="needs the extra [backends]")
    flatbuffers = pytest.importorskip("flatbuffers", reason="needs the extra [tflite]")
    written = emit_tflite(model(TOYS[0]))
    several = schema.ModelT.InitFromPackedBuf(written, 0)
    several.subgraphs.append(several.subgraphs[0])
    builder = flatbuffers.Builder(1024)
    builder.Finish(several.Pack(builder), b"TFL3")
    assert file_operators(bytes(builder.Output()), "k") == file_operators(written, "k")
    with pytest.raises(UnsupportedOp, match="2 subgraphs"):
        read_tflite(bytes(builder.Output()))


@pytest.mark.parametrize("toy", TOYS, ids=str)
def test_operations_are_the_operators_of_the_file(toy: Toy) -> None:
    """In the file's order; but for those on constants, and the two that make indices of codes."""
    pytest.importorskip("tflite", reason="needs the extra [tflite]")
    written = emit_tflite(model(toy))
    kinds = [op.op_type for op in file_operators(written, "")]
    found = [one.op_type for one in read_tflite(written).operations]
    rest = iter(kinds)
    assert all(kind in rest for kind in found)
    assert {kind for kind in kinds if kinds.count(kind) > found.count(kind)} <= {"CAST", "ADD", "QUANTIZE"}
    assert set(kinds) <= READERS.keys()
