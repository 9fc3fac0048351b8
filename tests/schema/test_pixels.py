"""--inputs-as uint8: the model of raw pixels is as near to the float model as the one of
preprocessed floats.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from PIL import Image

from edgeq.api import Quantized, compare, quantize
from edgeq.data.open import open_dataset
from edgeq.errors import BadData, BadPlan, BadRecipe
from edgeq.graph.code_grids import recorded_grid
from edgeq.graph.signature import input_specs
from edgeq.integers.emit import emit_tflite
from edgeq.integers.golden import golden_vectors
from edgeq.integers.legality.check import check_model
from edgeq.numerics.arrays import F32
from edgeq.numerics.grid import dequantize
from edgeq.passes.boundary.float_boundary import FloatBoundary
from edgeq.report.snippet import snippet
from edgeq.runtimes.ort import open_session
from edgeq.runtimes.tflite.litert import LiteRt
from edgeq.schema.pixels import Preprocessing
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target, load_target
from tests.cli_room import run
from tests.graph_text import net
from tests.small_models import text_model

CHANCE = np.random.default_rng(0)
NET = """<ir_version: 8, opset_import: ["": 17]> net (float[N, 3, 12, 12] x) => (float[N, 6] y) {
  [first] c = Conv<pads = [1, 1, 1, 1]>(x, w, b)  [relu] r = Relu(c)  [second] d = Conv<strides = [2, 2]>(r, v, u)
  [relu2] s = Relu(d)  [pool] g = GlobalAveragePool(s)  [flat] f = Flatten(g)  [fc] y = Gemm(f, k, m) }"""
WEIGHTS = {name: (CHANCE.normal(size=size) * gain).astype(np.float32) for name, size, gain in (
    ("w", (8, 3, 3, 3), 0.2), ("b", (8,), 0.1), ("v", (8, 8, 3, 3), 0.1), ("u", (8,), 0.1), ("k", (8, 6), 0.3), ("m", (6,), 0.1)
)}  # fmt: skip
PIXELS = np.clip(np.cumsum(CHANCE.integers(-25, 26, (32, 3, 12, 12)), -1) + 128, 0, 255).astype(np.uint8)
GRID = Preprocessing(scale=1 / 255)
IMAGENET = Preprocessing(scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def made_of(said: Preprocessing) -> F32:
    """The pixels as an application preprocesses them."""
    mean, std = (np.asarray(numbers, np.float32).reshape(-1, 1, 1) for numbers in (said.mean or (0.0,), said.std or (1.0,)))
    return (PIXELS.astype(np.float32) * np.float32(said.scale or 1) - mean) / std


def recipe_of(said: Preprocessing) -> Recipe:
    return Recipe(inputs_as="uint8", preprocessing=said)


def anywhere(name: str) -> Target:
    """A target whose numbers onnxruntime gives on any processor, also on one without VNNI, where
    other sums of products would saturate.
    """
    return load_target(name).without_vnni()


def quantized(said: Preprocessing, target: str) -> Quantized:
    return quantize(text_model(NET, WEIGHTS), {"x": made_of(said)}, target=anywhere(target), recipe=recipe_of(said), prove=False)


def raw_run(model: ir.Model) -> F32:
    """What the model makes of raw pixels, as floats."""
    with open_session(model, optimize="off") as session:
        (found,) = session.run({"x": PIXELS})
    grid = recorded_grid(model, "y")
    return np.asarray(found, np.float32) if grid is None else dequantize(found, grid)


@pytest.mark.parametrize("said", [GRID, IMAGENET], ids=["grid", "imagenet"])
@pytest.mark.parametrize("target", ["cpu", "cpu_arm", "npu_int8", "dsp_int8", "npu_pow2"])
def test_raw_pixels_give_what_preprocessed_floats_give(said: Preprocessing, target: str) -> None:
    x = made_of(said)
    all_of_it = Recipe(hold_out=False)  # all samples are fitted to and compared
    floats = quantize(text_model(NET, WEIGHTS), {"x": x}, target=anywhere(target), prove=False, recipe=all_of_it).model
    raw = Recipe(inputs_as="uint8", preprocessing=said, hold_out=False)
    pixels = quantize(text_model(NET, WEIGHTS), {"x": x}, target=anywhere(target), prove=False, recipe=raw).model
    assert pixels.graph.inputs[0].dtype == ir.DataType.UINT8
    with open_session(ir.from_proto(text_model(NET, WEIGHTS))) as session:
        (wanted,) = session.run({"x": x})
    error = raw_run(pixels) - wanted
    sqnr = 10 * np.log10(np.square(wanted).sum() / np.square(error).sum())
    before, after = (compare(text_model(NET, WEIGHTS), model, {"x": x}).outputs[0].sqnr_db for model in (floats, pixels))
    assert sqnr > before - 1.5
    assert after == pytest.approx(sqnr, abs=0.2)  # compare feeds the floats, from which its float boundary makes the pixels
    assert check_model(pixels, load_target(target)) == ()


def test_the_report_tells_the_figure_of_raw_pixels() -> None:
    made = quantize(text_model(NET, WEIGHTS), {"x": made_of(IMAGENET)}, target=anywhere("dsp_int8"), recipe=recipe_of(IMAGENET))
    assert made.report.fidelity is not None
    found = compare(text_model(NET, WEIGHTS), made.model, {"x": made_of(IMAGENET)[4::5]}).outputs[0]  # held out, which judge
    assert made.report.fidelity.sqnr_db == pytest.approx(found.sqnr_db, abs=0.2)
    assert made.report.inputs[0].pixels
    assert "raw pixels 0..255" in snippet(made.report, "m.onnx")


def test_tflite_takes_raw_pixels_and_gives_the_golden_codes() -> None:
    made = quantized(IMAGENET, "mcu_tflite")
    floats = made.model.clone()
    FloatBoundary()(floats)
    vectors = golden_vectors(made.model, open_dataset({"x": made_of(IMAGENET)}, input_specs(floats)), 8, channels_last=True)
    assert vectors["in_x"].dtype == np.uint8
    np.testing.assert_array_equal(vectors["in_x"], PIXELS[:8].transpose(0, 2, 3, 1))
    runs = LiteRt(emit_tflite(made.model), "reference")
    assert runs.inputs[0].dtype == "uint8"
    for pixels, wanted in zip(vectors["in_x"], vectors["out_y"], strict=True):
        (found,) = runs.run([pixels[None]])
        assert np.abs(found[0].astype(int) - wanted).max() <= 1


def test_a_plan_repeats_the_model_without_the_option() -> None:
    made = quantized(IMAGENET, "cpu")
    again = quantize(text_model(NET, WEIGHTS), plan=made.plan, prove=False)
    assert ir.to_proto(again.model).SerializeToString(deterministic=True) == ir.to_proto(made.model).SerializeToString(deterministic=True)
    plain = quantize(text_model(NET, WEIGHTS), {"x": made_of(GRID)}, prove=False)
    with pytest.raises(BadPlan, match="float inputs"):
        quantize(text_model(NET, WEIGHTS), plan=plain.plan, prove=False, recipe=recipe_of(GRID))


def test_a_layer_kept_in_float_reads_dequantized_pixels() -> None:
    recipe = Recipe(inputs_as="uint8", preprocessing=GRID, keep_float=("first",))
    made = quantize(text_model(NET, WEIGHTS), {"x": made_of(GRID)}, recipe=recipe, prove=False)
    assert made.model.graph.inputs[0].dtype == ir.DataType.UINT8
    assert next(node.op_type for node in made.model.graph) == "DequantizeLinear"
    assert np.isfinite(raw_run(made.model)).all()


def test_pixels_joined_with_other_values_keep_their_grid(tmp_path: Path) -> None:
    """The Concat's inputs would share one grid, were the first not pixels."""
    body, sizes = "c = Concat<axis = 1>(x, z)  y = Conv(c, w)", "float[N, 1, 6, 6] x, float[N, 1, 6, 6] z"
    model = net(body, inputs=sizes, constants={"w": CHANCE.normal(size=(2, 2, 3, 3))})
    for number, image in enumerate(PIXELS):
        np.savez(tmp_path / f"{number:02}.npz", x=image[:1, :6, :6], z=9 * CHANCE.normal(size=(1, 6, 6)).astype(np.float32))
    (tmp_path / "set.toml").write_text('schema_version = 1\nname = "s"\n[[input]]\nname = "x"\nscale = 0.00392156862745098\n', "utf-8")
    plan = quantize(model, tmp_path, target="npu_int8", recipe=Recipe(inputs_as="uint8"), prove=False).plan
    assert list(plan.pixels) == ["x"]
    assert (plan.grids["x"].scale, plan.grids["x"].zero_point) == (pytest.approx(1 / 255), -128)
    assert plan.grids["z"].scale > 0.05


@pytest.mark.parametrize("said", [Preprocessing(scale=1.0), Preprocessing(scale=1 / 255, mean=(2.0,))], ids=["fractions", "out of range"])
def test_data_that_are_no_pixels_are_refused(said: Preprocessing) -> None:
    with pytest.raises(BadData, match="does not hold pixels"):
        quantize(text_model(NET, WEIGHTS), {"x": made_of(GRID)}, recipe=recipe_of(said))


def test_preprocessing_without_raw_pixels_is_refused() -> None:
    with pytest.raises(BadRecipe, match="made-up images"):
        quantize(text_model(NET, WEIGHTS), {"x": made_of(GRID)}, recipe=Recipe(preprocessing=GRID))


def test_images_of_a_folder_are_the_pixels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """set.toml says how they are preprocessed; what is calibrated with are the images' own
    bytes.
    """
    for number, image in enumerate(PIXELS):
        Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / f"{number:02}.png")
    numbers = "scale = 0.00392156862745098\nmean = [0.485, 0.456, 0.406]\nstd = [0.229, 0.224, 0.225]\n"
    (tmp_path / "set.toml").write_text(f'schema_version = 1\nname = "s"\nfiles = ["*.png"]\n[[input]]\nname = "x"\n{numbers}', "utf-8")
    onnx.save(text_model(NET, WEIGHTS), tmp_path / "m.onnx")
    words = ("quantize", tmp_path / "m.onnx", "-d", tmp_path, "-q", "--no-prove", "--inputs-as", "uint8", "-o")
    assert run(capsys, *words, tmp_path / "a.onnx").code == 0
    np.savez(tmp_path / "x.npz", x=made_of(IMAGENET))
    said = ("--scale", "0.00392156862745098", "--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225")
    words = ("quantize", tmp_path / "m.onnx", "-d", tmp_path / "x.npz", "-q", "--no-prove", "--inputs-as", "uint8", "-o")
    assert run(capsys, *words, tmp_path / "b.onnx", *said).code == 0
    first, second = (raw_run(ir.load(tmp_path / name)) for name in ("a.onnx", "b.onnx"))
    np.testing.assert_array_equal(first, second)
    proof = run(capsys, "prove", tmp_path / "a.onnx", "--float", tmp_path / "m.onnx", "-d", tmp_path / "x.npz", "--json")
    assert proof.code == 0
    refused = run(capsys, *words, tmp_path / "c.onnx", "--mean", "a,b")
    assert refused.code == 2
    assert "0.485,0.456,0.406" in refused.err
    assert run(capsys, *words, tmp_path / "c.onnx").code == 2  # nobody says how


def test_statistics_of_pixels_serve_a_quantization_of_pixels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(text_model(NET, WEIGHTS), tmp_path / "m.onnx")
    np.savez(tmp_path / "x.npz", x=made_of(IMAGENET))
    said = ("--inputs-as", "uint8", "--scale", "0.00392156862745098", "--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225")
    assert run(capsys, "calibrate", tmp_path / "m.onnx", "-d", tmp_path / "x.npz", "-o", tmp_path / "s.npz", "-q", *said).code == 0
    words = ("quantize", tmp_path / "m.onnx", "--stats", tmp_path / "s.npz", "-q", "--no-prove", "-o", tmp_path / "o.onnx")
    assert run(capsys, *words, *said).code == 0
    assert run(capsys, *words, "--force").code == 2  # statistics of another model than the float one
