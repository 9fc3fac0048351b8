"""The picture and the figures of number formats on the pages are those of the code."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import onnx

from benchmarks.figures.format_bits import picture
from edgeq.data.shipped import shipped_model
from edgeq.numerics.arrays import F32
from edgeq.numerics.formats.format import Room
from edgeq.numerics.formats.table import families, format_words, parse_format
from tests.docs.written import ROOT


def test_the_picture_is_that_of_the_list_of_formats() -> None:
    assert (ROOT / "docs" / "formats.svg").read_text(encoding="utf-8") == picture()
    drawn = {str(text.text) for text in ET.fromstring(picture()).iter("{http://www.w3.org/2000/svg}text")}
    assert set(format_words()) <= drawn
    assert "4 + 4/16 = 4.25, runs in integers" in drawn


def test_every_format_has_a_row_on_its_page() -> None:
    page = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    rows = "\n".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))
    for name, family in families().items():
        assert f"`{name}:" in rows if family.sizes else f"`{name}`" in rows, name


def test_the_errors_of_a_layer_by_granularity_are_those_that_come_out() -> None:
    page = (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8")
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(str(shipped_model("digits"))).graph.initializer}
    told = re.findall(r"^\| `(\w+)` \| [\dx ]+ \|(.*)\|$", page, re.MULTILINE)
    assert len(told) == 4
    for name, cells in told:
        array = next(one for key, one in weights.items() if key.split(".")[0] == name and one.ndim > 1).astype(np.float32)
        assert [float(cell.split()[0]) for cell in cells.split("|")] == [round(one, 1) for one in _errors(array)]


def _errors(array: F32) -> list[float]:
    rows, kernel = array.reshape(1, len(array), -1), array.shape[1:]
    fits = (("int4", Room(shared=True)), ("int4", None), ("two_level:16", None), ("int8", Room(shared=True)), ("int8", None))
    reals = [parse_format(name).fit(rows, None, kernel, room).real for name, room in fits]
    energy = float(np.square(rows, dtype=np.float64).sum())
    return [10 * float(np.log10(energy / np.square(rows - real, dtype=np.float64).sum())) for real in reals]
