"""Text that is not UTF-8 is refused when a model is read, wherever it stands."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from edgeq.errors import BadModel
from edgeq.io.load import load_model, load_proto

TEXT = """<ir_version: 8, opset_import: ["": 17]> net (float[N, 4] x, bool c) => (float[N, 4] y) {
  y = If(c) <then_branch = t () => (float[N, 4] a) { a = Relu(x) }, else_branch = e () => (float[N, 4] b) { b = Neg(x) }>
}"""
MARK = "a text to be damaged"


def marked(place: str) -> bytes:
    """The model as a file, with bytes that are not UTF-8 at the place."""
    model = onnx.parser.parse_model(TEXT)
    inner = model.graph.node[0].attribute[0].g.node[0]
    if place == "producer":
        model.producer_name = MARK
    elif place == "record":
        model.metadata_props.add(key="made.by", value=MARK)
    elif place == "key":
        model.metadata_props.add(key=MARK, value="7")
    elif place == "node":
        inner.name = MARK
    elif place == "description":
        inner.doc_string = MARK
    elif place == "axis":
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = MARK
    return model.SerializeToString().replace(MARK.encode(), b"\xff\xe6" + MARK[2:].encode())


@pytest.mark.parametrize("place", ["producer", "record", "key", "node", "description", "axis"])
def test_text_that_is_not_utf_8_is_refused_and_its_place_named(place: str, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(marked(place))
    with pytest.raises(BadModel, match="not UTF-8"):
        load_model(tmp_path / "m.onnx")


def test_any_text_that_is_utf_8_is_read() -> None:
    model = onnx.parser.parse_model(TEXT)
    model.metadata_props.add(key="größe", value="\u4e2d\u202e")
    assert load_proto(model).model.metadata_props["größe"] == "\u4e2d\u202e"
