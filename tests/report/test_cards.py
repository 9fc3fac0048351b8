"""The result of every public function shows itself: one line, and a table in a notebook."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

import edgeq
from edgeq.data.shipped import shipped_model
from edgeq.io.writing.card import Cards
from edgeq.numerics.output_fidelity import OutputFidelity, Weakest
from edgeq.report.headline import Fidelity

DIGITS = shipped_model("digits")
RECIPE = {"effort": "fast", "samples": 32, "placement": {"prefer": "integers"}}
#: public functions whose result is told by that of another: a Quantized, and a model
ALIKE = {"finetune", "from_torch"}


@pytest.fixture(scope="module")
def made() -> edgeq.Quantized:
    return edgeq.quantize(DIGITS, "digits", recipe=RECIPE, prove=False)


def results(made: edgeq.Quantized, folder: Path) -> Mapping[str, Callable[[], object]]:
    path = folder / "digits.int8.onnx"
    made.save(path)

    def tflite() -> object:
        model = edgeq.quantize(DIGITS, "digits", target="mcu_tflite", recipe={"effort": "fast", "samples": 32}, prove=False).model
        return edgeq.convert(model, prove=False)

    return {
        "quantize": lambda: made,
        "calibrate": lambda: edgeq.calibrate(DIGITS, "digits", recipe=RECIPE),
        "prove": lambda: edgeq.prove(path),
        "compare": lambda: edgeq.compare(DIGITS, path, "digits"),
        "palettize": lambda: edgeq.palettize(DIGITS, recipe={"codebook": {"bits": 4}}),
        "materialize": lambda: edgeq.materialize(DIGITS),
        "convert": tflite,
        "init": lambda: edgeq.init(DIGITS, folder / "own"),
        "inspect": lambda: edgeq.inspect(DIGITS),
        "explain": lambda: edgeq.explain(made, next(iter(made.plan.nodes))),
        "check": lambda: edgeq.check(DIGITS, "mcu_tflite"),
    }


class Tables(HTMLParser):
    """Counts the tables and rows of a text, and whether every one ends."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.rows = 0

    def handle_starttag(self, tag: str, *_: object) -> None:
        self.opened.append(tag)
        self.rows += tag == "tr"

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag


FUNCTIONS = ["quantize", "calibrate", "prove", "compare", "palettize", "materialize", "convert", "init", "inspect", "explain", "check"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_result_is_a_line_and_a_table(name: str, made: edgeq.Quantized, tmp_path: Path) -> None:
    found = results(made, tmp_path)[name]()
    seen = Tables()
    seen.feed(found._repr_html_())  # type: ignore[attr-defined]
    assert seen.opened == [] and seen.rows > 0
    assert "\n" not in repr(found)


def test_every_public_function_is_among_them() -> None:
    functions = {name for name in edgeq.__all__ if name[0].islower()}
    assert functions - ALIKE == set(FUNCTIONS)


def test_answers_that_are_empty_say_so_and_are_tuples() -> None:
    assert Cards() == ()
    assert Cards()._repr_html_() == "<p>nothing</p>"


def test_fidelity_is_one_line_of_figures() -> None:
    output = OutputFidelity("scores", 31.26, 0.99963, 0.1, 0.975, (), compared=40)
    alone = Fidelity(31.26, 0.99963, 0.975, 40, Weakest("scores", None, 31.26), 0.975, (output,))
    assert repr(alone) == "Fidelity(int8 against float: SQNR 31.3 dB, cosine 0.99963, same top-1 97.50 %, samples 40)"
    two = replace(alone, sqnr_db=math.inf, top1_agreement=None, weakest=Weakest("out", "boxes", 12.0), outputs=(output, output))
    assert repr(two) == "Fidelity(int8 against float: SQNR bit-equal, cosine 0.99963, weakest out, part boxes: 12.0 dB, samples 40)"
