"""GatherPackedRows: the same numbers, from a table that stays packed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.graph.read import nodes
from edgeq.numerics.arrays import F32
from edgeq.numerics.formats.format import Format
from edgeq.numerics.formats.table import parse_format
from edgeq.passes.place.gather_packed_rows import GatherPackedRows
from edgeq.runtimes.ort import open_session
from edgeq.testing import check_pass
from tests.graph_text import lines, net

FORMS = pytest.mark.parametrize("word", ["int4", "two_level:16", "two_level:8"])
BODY = "t = DequantizeLinear<axis = 0>(q, s, z)  [look] y = Gather<axis = 0>(t, ids)"


def _table(word: str, rows: int = 50, columns: int = 48) -> dict[str, F32]:
    numbers = np.random.default_rng(1).normal(size=(1, rows, columns)).astype(np.float32)
    form = parse_format(word)
    grid = form.codes8(form.fit(numbers, None, (columns,)))
    assert grid is not None
    return {"q": grid.codes[0].astype(np.int8), "s": grid.scale[0], "z": np.zeros(rows, np.int8)}  # type: ignore[dict-item]


def _lookup(word: str) -> GatherPackedRows:
    return GatherPackedRows({"look:0": parse_format(word)})


@FORMS
@pytest.mark.parametrize("opset", [13, 18, 21])
@pytest.mark.parametrize("shape", ["2, 7", "3", "", "1, 2, 3"])
@pytest.mark.parametrize("columns", [48, 33])
def test_rows_are_the_same_numbers_at_every_opset(word: str, opset: int, shape: str, columns: int) -> None:
    inputs = f"int64[{shape}] ids" if shape else "int64 ids"
    model = net(BODY, inputs=inputs, outputs="float y", constants=_table(word, columns=columns), opset=opset)
    sizes = [int(size) for size in shape.split(",") if size.strip()]
    feeds = {"ids": np.asarray(np.random.default_rng(0).integers(-50, 50, sizes), np.int64)}
    after = check_pass(_lookup(word), model, feeds=feeds, tolerance=0)
    assert {node.op_type for node in nodes(after)} <= (
        {"Gather", "BitwiseAnd" if opset >= 18 else "Mod", "BitShift", "Concat", "Cast", "Sub", "Mul", "Reshape", "Slice"}
    )
    assert [node.op_type for node in nodes(after) if node.name == "look"] == ["Gather"]


@FORMS
def test_the_runtime_folds_nothing(word: str, tmp_path: Path) -> None:
    """What onnxruntime holds after its optimizations is the packed table."""
    model = net(BODY, inputs="int64[2, 7] ids", outputs="float y", constants=_table(word, 500, 64))
    assert _lookup(word)(model).modified
    with open_session(model, optimized_path=tmp_path / "seen.onnx"):
        seen = onnx.load(tmp_path / "seen.onnx")
    held = sum(onnx.numpy_helper.to_array(one).nbytes for one in seen.graph.initializer)
    assert held < 500 * (32 + 4 + 8) + 1000


@FORMS
def test_lookups_in_one_table_share_it(word: str) -> None:
    body = "t = DequantizeLinear<axis = 0>(q, s, z)  [look] a = Gather(t, ids)  [other] b = Gather(t, more)  y = Add(a, b)"
    model = net(body, inputs="int64[2, 7] ids, int64[1, 7] more", outputs="float y", constants=_table(word))
    both = GatherPackedRows({f"{name}:0": parse_format(word) for name in ("look", "other")})
    feeds = {"ids": np.arange(14).reshape(2, 7), "more": np.arange(7)[None]}
    after = check_pass(both, model, feeds=feeds, tolerance=0)
    packed = [value for value in after.graph.initializers.values() if value.dtype == ir.DataType.UINT8 and (value.shape or ())[:1] == (50,)]
    assert len(packed) == (1 if word == "int4" else 2)


@pytest.mark.parametrize(
    "body",
    [
        "t = DequantizeLinear<axis = 0>(q, s, z)  u = Transpose(t)  g = Gather(t, ids)  y = MatMul(g, u)",  # another reader
        "t = DequantizeLinear<axis = 0>(q, s, z)  y = Gather<axis = 1>(t, ids)",  # columns
        "t = DequantizeLinear<axis = 1>(q, c, k)  y = Gather(t, ids)",  # a scale for each column
    ],
)
def test_what_is_no_lookup_of_rows_stays(body: str) -> None:
    own = _table("int4")
    constants = own | {"c": np.ones(48, np.float32), "k": np.zeros(48, np.int8)}
    model = net(body.replace("g = G", "[look] g = G").replace("y = G", "[look] y = G"), inputs="int64[2, 7] ids", constants=constants)
    before = lines(model)
    assert not _lookup("int4")(model).modified
    assert lines(model) == before


def test_codes_without_the_form_stay() -> None:
    own = _table("int4")
    own["q"][3, 5] = 100
    model = net(BODY, inputs="int64[2, 7] ids", outputs="float y", constants=own)
    assert not _lookup("int4")(model).modified


def test_a_format_that_cannot_be_packed_stays() -> None:
    form: Format = parse_format("int8")
    model = net(BODY, inputs="int64[2, 7] ids", outputs="float y", constants=_table("int4"))
    assert not GatherPackedRows({"look:0": form})(model).modified
