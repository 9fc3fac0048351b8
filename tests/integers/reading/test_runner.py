"""A .tflite file in the place of an ONNX model: names, layouts and codes are found out, and what is
measured is the file.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.api import Quantized, compare, quantize
from edgeq.errors import BadModel, BadRecipe
from edgeq.graph.signature import InputSpec
from edgeq.integers.emit import emit_tflite
from edgeq.integers.reading.open_file import open_file
from edgeq.integers.reading.opened import NAME, OpenedFile
from edgeq.integers.reading.read import read_tflite
from edgeq.integers.reading.runner import permutation, runner_of
from edgeq.integers.tflite.flatbuffer import TfModel, TfTensor
from edgeq.integers.tflite.parse import parse
from edgeq.io.load import load_proto
from edgeq.numerics.arrays import AnyArray
from edgeq.runtimes.tflite import litert
from edgeq.schema.recipe import Floors, Recipe
from edgeq.schema.target import load_target
from tests.cli_room import run
from tests.small_models import text_model
from tests.targets.test_integer_only import net, samples

pytest.importorskip("tflite", reason="needs the extra [tflite]")

#: two inputs and two outputs of several ranks, an image among the outputs
TWO = """<ir_version: 8, opset_import: ["": 14]>
two (float[N, 3, 6, 6] image, float[N, 5] row) => (float[N, 4] scores, float[N, 4, 6, 6] map) {
  [a] map = Conv<pads = [1, 1, 1, 1]>(image, w)
  [mean] m = GlobalAveragePool(map)
  [flat] f = Flatten(m)
  [fc] s = Gemm(row, k)
  [sum] scores = Add(f, s)
}"""


def two() -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    return text_model(TWO, {"w": rng.normal(size=(4, 3, 3, 3)).astype(np.float32), "k": rng.normal(size=(5, 4)).astype(np.float32)})


def pairs(count: int = 12) -> dict[str, AnyArray]:
    rng = np.random.default_rng(2)
    return {"image": rng.normal(size=(count, 3, 6, 6)).astype(np.float32), "row": rng.normal(size=(count, 5)).astype(np.float32)}


def made(proto: onnx.ModelProto, data: dict[str, AnyArray], *, float_io: bool = False, recipe: Recipe | None = None) -> Quantized:
    target = load_target("mcu_tflite", float_io=float_io)
    return quantize(proto, data, target=target, recipe=recipe or Recipe(effort="fast"), prove=False)


def specs(proto: onnx.ModelProto) -> tuple[tuple[InputSpec, ...], list[str]]:
    from edgeq.graph.signature import input_specs

    model = load_proto(proto).model
    return input_specs(model), [str(value.name) for value in model.graph.outputs]


@pytest.mark.parametrize("float_io", [False, True])
@pytest.mark.parametrize(("proto", "data"), [(net(), samples()), (two(), pairs())], ids=["one", "two"])
def test_a_file_compares_with_its_float_model(proto: onnx.ModelProto, data: dict[str, AnyArray], float_io: bool, tmp_path: Path) -> None:
    result = made(proto, data, float_io=float_io)
    result.save(tmp_path / "m.tflite")
    onnx_form, file = compare(proto, result.model, data), compare(proto, tmp_path / "m.tflite", data)
    assert [output.name for output in file.outputs] == [output.name for output in onnx_form.outputs]
    for one, other in zip(file.outputs, onnx_form.outputs, strict=True):
        assert one.sqnr_db == pytest.approx(other.sqnr_db, abs=3)
    assert file.samples == onnx_form.samples


def renamed(file: bytes, names: dict[str, str]) -> bytes:
    """The file with other names of tensors, as another converter would give them."""
    from edgeq.integers.tflite.flatbuffer import to_bytes

    found = parse(file)
    tensors = tuple(TfTensor(**{**vars(one), "name": names.get(one.name, one.name)}) for one in found.tensors)
    return to_bytes(TfModel(tensors, found.operators, found.inputs, found.outputs, "another tool", {}))


@pytest.mark.parametrize(
    "names",
    [
        {"image": "serving_default_image:0", "row": "serving_default_row:0"},
        {"image": "a", "row": "b", "scores": "c", "map": "d", "image_quantized": "e"},
    ],
    ids=["around", "none"],
)
def test_names_of_other_converters_are_matched(names: dict[str, str]) -> None:
    result = made(two(), pairs())
    file = emit_tflite(result.model)
    own, other = (runner_of(one, OpenedFile(read_tflite(one)), *specs(two())) for one in (file, renamed(file, names)))
    like: list[AnyArray] = [np.zeros((2, 4), np.float32), np.zeros((2, 4, 6, 6), np.float32)]
    feeds = pairs(2)
    for one, wanted in zip(other.run(feeds, like), own.run(feeds, like), strict=True):
        np.testing.assert_array_equal(one, wanted)


def test_names_win_over_order() -> None:
    result = made(two(), pairs())
    file = emit_tflite(result.model)
    inputs, outputs = specs(two())
    turned = runner_of(file, OpenedFile(read_tflite(file)), inputs[::-1], outputs[::-1])
    straight = runner_of(file, OpenedFile(read_tflite(file)), inputs, outputs)
    like: list[AnyArray] = [np.zeros((2, 4), np.float32), np.zeros((2, 4, 6, 6), np.float32)]
    for one, wanted in zip(turned.run(pairs(2), like[::-1])[::-1], straight.run(pairs(2), like), strict=True):
        np.testing.assert_array_equal(one, wanted)


@pytest.mark.parametrize(
    ("file", "onnx_shape", "wanted"),
    [
        ((1, 4, 4, 4), (1, 4, 4, 4), (0, 2, 3, 1)),  # where both fit, TFLite's own
        ((2, 7), (2, 7), (0, 1)),
        ((1, 9, 3), (1, 3, 9), (0, 2, 1)),
        ((), (), ()),
        ((1, 4), (1, 5), None),
        ((1, 4, 1), (1, 4), None),
    ],
)
def test_layouts(file: tuple[int, ...], onnx_shape: tuple[int, ...], wanted: tuple[int, ...] | None) -> None:
    assert permutation(file, onnx_shape) == wanted


def test_another_model_s_file_is_refused(tmp_path: Path) -> None:
    made(two(), pairs()).save(tmp_path / "two.tflite")
    with pytest.raises(BadModel, match=r"1 inputs.* 2"):
        compare(net(), tmp_path / "two.tflite", samples())
    made(net(), samples()).save(tmp_path / "net.tflite")
    other = text_model(
        """<ir_version: 8, opset_import: ["": 14]>
other (float[N, 3, 9, 9] x) => (float[N, 3, 9, 9] y) { [r] y = Relu(x) }""",
        {},
    )
    with pytest.raises(BadModel, match="Input x"):
        compare(other, tmp_path / "net.tflite", {"x": np.ones((3, 3, 9, 9), np.float32)})


def test_layers_of_a_file_are_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(net(), tmp_path / "m.onnx")
    np.savez(tmp_path / "d.npz", **samples())
    made(net(), samples()).save(tmp_path / "m.tflite")
    ran = run(capsys, "compare", tmp_path / "m.onnx", tmp_path / "m.tflite", "-d", tmp_path / "d.npz", "--layers")
    assert (ran.code, BadRecipe.__name__ and "--layers" in ran.err) == (2, True)
    ran = run(capsys, "compare", tmp_path / "m.onnx", tmp_path / "m.tflite", "-d", tmp_path / "d.npz", "--min-sqnr", "200")
    assert ran.code == 3
    assert "written file" in ran.out


@pytest.mark.parametrize("installed", [True, False], ids=["litert", "edgeq"])
def test_a_report_is_about_the_written_file(installed: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                            monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    if not installed:
        from dataclasses import replace

        monkeypatch.setattr(litert, "RUNTIME", replace(litert.RUNTIME, module="a_package_that_is_not_there"))
    else:
        pytest.importorskip("ai_edge_litert", reason="needs the extra [backends]")
    onnx.save(two(), tmp_path / "m.onnx")
    np.savez(tmp_path / "d.npz", **pairs(24))
    out = tmp_path / "m.tflite"
    ran = run(capsys, "quantize", tmp_path / "m.onnx", "-d", tmp_path / "d.npz", "-o", out, "--target", "mcu_tflite", "--json")
    report = json.loads(ran.out)
    assert report["size"]["int8_bytes"] == out.stat().st_size
    assert (report["ran_by"]["runtime"] == NAME, report["unproven"]) == ((False, None) if installed else (True, "other_runtime"))
    held = {name: array[4::5] for name, array in pairs(24).items()}
    again = compare(tmp_path / "m.onnx", out, held)
    assert report["fidelity"]["sqnr_db"] == pytest.approx(again.outputs[0].sqnr_db, rel=1e-6)
    assert report["fidelity"]["samples"] == again.samples


def test_floors_judge_the_file_and_its_record_says_so(tmp_path: Path) -> None:
    recipe = Recipe(effort="fast", floors=Floors(min_sqnr=5))
    result = quantize(net(), samples(), target="mcu_tflite", recipe=recipe, form="tflite")
    assert result.report.gate == "passed"
    result.save(tmp_path / "m.tflite")
    assert result.report.size.int8_bytes == (tmp_path / "m.tflite").stat().st_size
    assert b'"edgeq.gate": "passed"' in (tmp_path / "m.tflite").read_bytes()


def test_the_interpreter_runs_large_files_on_few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    monkeypatch.setattr(litert, "RUNTIME", replace(litert.RUNTIME, module="a_package_that_is_not_there"))
    file = emit_tflite(made(net(), samples()).model)
    monkeypatch.setattr("edgeq.integers.reading.open_file.LARGEST_WORK", 1e5)
    _, ran_by = open_file(file, 100)
    # two convolutions of 8x8 places, 3 to 4 and 4 to 4 channels of 3x3, and a product of 8 by 4
    assert ran_by.samples == int(1e5 / (64 * 9 * (12 + 16) + 32))
    assert open_file(file, 2)[1].samples is None


def test_raw_pixels_are_fed_as_the_application_has_them(tmp_path: Path) -> None:
    from edgeq.schema.pixels import Preprocessing

    how = Preprocessing(scale=1 / 255, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.25))
    pixels = np.random.default_rng(3).integers(0, 256, (12, 3, 8, 8))
    mean, std = (np.array(one).reshape(3, 1, 1) for one in ((0.5, 0.4, 0.3), (0.2, 0.3, 0.25)))
    data = {"x": ((pixels / 255 - mean) / std).astype(np.float32)}
    result = made(net(), data, recipe=Recipe(effort="fast", inputs_as="uint8", preprocessing=how))
    assert next(iter(result.model.graph.inputs)).dtype == ir.DataType.UINT8
    result.save(tmp_path / "m.tflite")
    file, onnx_form = compare(net(), tmp_path / "m.tflite", data), compare(net(), result.model, data)
    assert file.weakest.sqnr_db == pytest.approx(onnx_form.weakest.sqnr_db, abs=2)
