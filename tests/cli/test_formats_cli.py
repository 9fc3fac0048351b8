"""`edgeq formats`, and --format of the commands that take it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgeq.io.load import load_model
from edgeq.numerics.formats.table import format_words
from tests.cli_room import run
from tests.graph_text import weights
from tests.small_models import text_model

Capsys = pytest.CaptureFixture[str]

TEXT = """<ir_version: 8, opset_import: ["": 17]>
    net (float[1, 16, 8, 8] x) => (float[1, 32, 8, 8] y) { [one] c = Conv<pads = [1, 1, 1, 1]>(x, w) r = Relu(c)
    [two] y = Conv<pads = [1, 1, 1, 1]>(r, v) }"""


@pytest.fixture
def words(tmp_path: Path) -> tuple[str, ...]:
    """A model and data, as words of a command."""
    model, data = tmp_path / "m.onnx", tmp_path / "d.npz"
    constants = {"w": weights(32, 16, 3, 3), "v": weights(32, 32, 3, 3, seed=1)}
    model.write_bytes(text_model(TEXT, constants).SerializeToString())
    np.savez(data, x=np.random.default_rng(0).normal(size=(16, 16, 8, 8)).astype(np.float32))
    return (str(model), "-d", str(data), "-o", str(tmp_path / "q.onnx"), "--force")


def test_formats_lists_every_format_with_its_bits(capsys: Capsys) -> None:
    found = json.loads(run(capsys, "formats", "--json").out)["formats"]
    assert tuple(row["name"] for row in found) == format_words()
    (two,) = [row for row in found if row["name"] == "two_level:16"]
    assert (two["nominal_bits"], two["block"], two["compute"]) == (4.25, 16, "int8")
    text = run(capsys, "formats").out
    assert all(word in text for word in format_words())


@pytest.mark.parametrize("command", [("quantize",), ("palettize", "--compute", "int8")])
def test_the_report_counts_bits_as_quoted_and_as_stored(command: tuple[str, ...], words: tuple[str, ...], capsys: Capsys) -> None:
    ran = run(capsys, *command, *words, "--format", "two_level:16", "--no-prove", "--json")
    assert ran.code == 0, ran.err
    layers = json.loads(ran.out)["formats"]
    assert [(one["node"], one["format"], one["nominal_bits"]) for one in layers] == [
        ("one", "two_level:16", 4.25),
        ("two", "two_level:16", 4.25),
    ]
    model = load_model(Path(words[4]), quantized=True).model
    held = sum(value.const_value.nbytes for name, value in model.graph.initializers.items() if value.const_value and name.startswith("w_"))
    assert held == layers[0]["bytes"]
    assert layers[0]["stored_bits"] == pytest.approx(8 * held / (32 * 16 * 9))
    text = run(capsys, *command, *words, "--format", "two_level:16", "--no-prove").out
    assert "2 weights in two_level:16" in text


def test_blocks_have_two_levels_in_integers_and_float_scales_in_float(words: tuple[str, ...], capsys: Capsys) -> None:
    """Nominal bits of the same name: a scale of 4 bits for 32 numbers, and one of 32 bits."""
    for command, bits in ((("quantize",), 4.125), (("palettize",), 5.0)):
        ran = run(capsys, *command, *words, "--format", "block:32", "--no-prove", "--json")
        assert ran.code == 0, ran.err
        assert {(one["format"], one["nominal_bits"]) for one in json.loads(ran.out)["formats"]} == {("block:32", bits)}


def test_explain_names_the_format(words: tuple[str, ...], capsys: Capsys) -> None:
    run(capsys, "quantize", *words, "--format", "int4", "--effort", "fast", "--no-prove", "-q")
    assert "stored as int4, 4 bits a number" in " ".join(run(capsys, "explain", words[4], "one").out.split())


def test_a_file_in_a_format_passes_check(words: tuple[str, ...], capsys: Capsys) -> None:
    run(capsys, "quantize", *words, "--format", "two_level:16", "-t", "npu_int8", "--effort", "fast", "--no-prove", "-q")
    assert run(capsys, "check", words[4], "-t", "npu_int8").code == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--format", "int5"), "There is no weight format"),
        (("--format", "two_level"), "no size that the weight format two_level takes"),
        (("--format", "int4", "--effort", "best"), "does not search with number formats"),
    ],
)
def test_what_is_no_format_or_goes_with_nothing_is_refused(
    options: tuple[str, ...], said: str, words: tuple[str, ...], capsys: Capsys
) -> None:
    ran = run(capsys, "quantize", *words, *options)
    assert ran.code == 2
    assert said in " ".join(ran.err.split())


@pytest.mark.parametrize("command", ["palettize", "finetune"])
@pytest.mark.parametrize("name", ["int4", "codebook:4"])
def test_bits_and_a_format_are_refused_together(command: str, name: str, words: tuple[str, ...], capsys: Capsys) -> None:
    ran = run(capsys, command, *words, "--bits", "4", "--format", name)
    assert ran.code == 2
    assert "--format and --bits both say how weights are stored" in " ".join(ran.err.split())


def test_codebook_4_is_the_same_as_4_bits(words: tuple[str, ...], tmp_path: Path, capsys: Capsys) -> None:
    files = []
    for options in (("--bits", "4"), ("--format", "codebook:4")):
        assert run(capsys, "palettize", *words, *options, "-q").code == 0
        files.append((tmp_path / "q.onnx").read_bytes())
    assert files[0] == files[1]


def test_training_stays_in_the_format(words: tuple[str, ...], capsys: Capsys) -> None:
    pytest.importorskip("torch", reason="training needs the extra learn")
    ran = run(capsys, "finetune", *words, "--format", "two_level:16", "--epochs", "2", "--no-prove", "--json")
    assert ran.code == 0, ran.err
    assert len(json.loads(ran.out)["formats"]) == 2
