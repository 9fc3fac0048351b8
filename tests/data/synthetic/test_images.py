"""Made-up images as data: for inputs that are images alone, preprocessed as the model wants them,
and never taken for real data.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeq.api import calibrate, compare, quantize
from edgeq.calibration.statistics_file import load_statistics
from edgeq.data.dataset import Dataset
from edgeq.data.open import open_dataset
from edgeq.data.synthetic.images import COUNT, IMAGES, MOST, SyntheticImages, needed, with_images
from edgeq.errors import BadData, BadRecipe
from edgeq.graph.signature import InputSpec
from edgeq.numerics.arrays import F64
from edgeq.schema.pixels import Preprocessing
from edgeq.schema.recipe import Recipe
from tests.cli_room import run
from tests.small_models import text_model

HALF = Preprocessing(mean=(127.5,), std=(127.5,))
CHANCE = np.random.default_rng(0)
NET = """<ir_version: 8, opset_import: ["": 17]> net (float[N, 3, 16, 16] x) => (float[N, 6] y) {
  c = Conv<pads = [1, 1, 1, 1]>(x, w)  r = Relu(c)  g = GlobalAveragePool(r)  f = Flatten(g)  y = Gemm(f, k) }"""
WEIGHTS = {"w": CHANCE.normal(size=(8, 3, 3, 3)).astype(np.float32) * 0.3, "k": CHANCE.normal(size=(8, 6)).astype(np.float32)}


def image(*shape: int | str, dtype: str = "float32") -> tuple[InputSpec, ...]:
    return (InputSpec("x", dtype, shape),)


def drawn(inputs: tuple[InputSpec, ...], said: Preprocessing = HALF, seed: int = 0, count: int = 6) -> Dataset:
    return open_dataset(SyntheticImages(said, seed, count), inputs)


def values(data: Dataset) -> F64:
    return np.concatenate([batch.feeds["x"] for batch in data.batches(4)]).astype(np.float64)


def test_images_are_preprocessed_as_stated() -> None:
    raw = values(drawn(image("N", 3, 16, 20), Preprocessing(scale=1.0)))
    said = Preprocessing(scale=1 / 255, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.25))
    mean, std = (np.array(numbers).reshape(3, 1, 1) for numbers in (said.mean, said.std))
    np.testing.assert_allclose(values(drawn(image("N", 3, 16, 20), said)), (raw / 255 - mean) / std, atol=1e-5)
    assert raw.shape == (6, 3, 16, 20)


def test_channels_may_lie_last_and_pixels_be_gray_or_have_opacity() -> None:
    first, last = values(drawn(image("N", 3, 16, 20))), values(drawn(image("N", 16, 20, 3)))
    np.testing.assert_array_equal(first.transpose(0, 2, 3, 1), last)
    gray, four = values(drawn(image("N", 1, 16, 20))), values(drawn(image("N", 16, 20, 4)))
    assert np.abs(gray[:, 0] - first.mean(1)).mean() < 0.1
    np.testing.assert_array_equal(four[..., :3], last)
    assert (four[..., 3] == 1).all()


def test_inputs_of_bytes_take_pixels_without_preprocessing() -> None:
    data = drawn(image("N", 16, 20, 3, dtype="uint8"), Preprocessing())
    assert next(data.batches(1)).feeds["x"].dtype == np.uint8
    assert values(data).max() > 200


def test_a_seed_gives_the_same_samples_again_and_another_gives_others() -> None:
    inputs = image("N", 3, 16, 16)
    assert drawn(inputs, seed=1).hash == drawn(inputs, seed=1).hash != drawn(inputs, seed=2).hash


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        (image("N", 640), "4 dimensions"),
        (image("N", 98, 40), "4 dimensions"),
        (image("N", 16, dtype="int64"), "numbers of words"),
        (image("N", 1, 3, 10), "3x10 is no image"),
        (image("N", 64, 20, 20), "1, 3 or 4 channels"),
        (image("N", 3, "H", "W"), "size of the images is not known"),
        ((*image("N", 3, 16, 16), InputSpec("s", "float32", (2,))), "one input, and this one has 2: x, s"),
    ],
    ids=["features", "sound", "text", "tiny", "feature maps", "any size", "two inputs"],
)
def test_what_takes_no_images_is_refused_with_the_reason(inputs: tuple[InputSpec, ...], why: str) -> None:
    with pytest.raises(BadData, match=why):
        drawn(inputs)


def test_preprocessing_that_nobody_states_is_asked_for() -> None:
    with pytest.raises(BadData, match="How pixels become"):
        drawn(image("N", 3, 16, 16), Preprocessing())


def test_names_of_other_made_up_data_are_refused() -> None:
    with pytest.raises(BadData, match=r"synthetic:audio.*sound, text and features"):
        with_images("synthetic:audio", Recipe())


def test_the_recipe_says_how_many_and_which() -> None:
    data = with_images(IMAGES, Recipe(samples=7, seed=3, preprocessing=HALF))
    assert isinstance(data, SyntheticImages)
    assert (data.count, data.seed, data.preprocessing) == (7, 3, HALF)
    other = with_images(IMAGES, Recipe())
    assert isinstance(other, SyntheticImages)
    assert other.count is None
    assert with_images("photos", Recipe()) == "photos"


@pytest.mark.parametrize(("side", "count"), [(32, MOST), (60, 145), (96, COUNT), (8, MOST)])
def test_small_pictures_are_more(side: int, count: int) -> None:
    """A small picture holds few surfaces: ranges from a hundred differ from seed to seed."""
    assert needed(side, side) == count


def test_so_many_are_drawn_and_what_the_user_says_counts() -> None:
    assert open_dataset(SyntheticImages(HALF, 0, None), image("N", 3, 60, 60)).count == needed(60, 60)
    assert drawn(image("N", 3, 60, 60), count=5).count == 5


def test_a_report_says_that_there_was_no_real_data_and_ranges_are_wide() -> None:
    made = quantize(text_model(NET, WEIGHTS), IMAGES, recipe=Recipe(samples=24, preprocessing=HALF))
    assert made.report.data is not None
    assert (made.report.data.made_up, made.report.data.name) == (True, IMAGES)
    assert any("No real data" in line for line in made.report.warnings)
    assert made.report.rule == "minmax"
    real = quantize(text_model(NET, WEIGHTS), {"x": CHANCE.normal(size=(24, 3, 16, 16)).astype(np.float32)})
    assert real.report.data is not None
    assert (real.report.data.made_up, real.report.rule) == (False, "mse")


def test_grids_of_powers_of_two_keep_the_rule() -> None:
    made = quantize(text_model(NET, WEIGHTS), IMAGES, target="npu_pow2", recipe=Recipe(samples=24, preprocessing=HALF))
    assert made.report.rule == "mse"


def test_statistics_remember_that_nothing_was_real(tmp_path: Path) -> None:
    recipe = Recipe(samples=24, preprocessing=HALF, effort="fast")
    found = calibrate(text_model(NET, WEIGHTS), IMAGES, recipe=recipe)
    found.save(tmp_path / "s.npz")
    again = load_statistics(tmp_path / "s.npz")
    assert again.made_up
    made = quantize(text_model(NET, WEIGHTS), statistics=again)
    assert made.report.rule == "minmax"
    assert any("No real data" in line for line in made.report.warnings)


def test_nothing_is_measured_on_made_up_data() -> None:
    model = text_model(NET, WEIGHTS)
    with pytest.raises(BadData, match="Nothing is measured"):
        compare(model, model, IMAGES)
    with pytest.raises(BadData, match="Nothing is measured"):
        quantize(model, {"x": CHANCE.normal(size=(24, 3, 16, 16)).astype(np.float32)}, validation=IMAGES)


def test_strict_data_refuses_it() -> None:
    with pytest.raises(BadData, match="No real data"):
        quantize(text_model(NET, WEIGHTS), IMAGES, recipe=Recipe(samples=24, preprocessing=HALF), data_doubts="strict")


def test_preprocessing_without_pixels_is_refused() -> None:
    with pytest.raises(BadRecipe, match="made-up images"):
        calibrate(text_model(NET, WEIGHTS), {"x": np.ones((4, 3, 16, 16), np.float32)}, recipe=Recipe(preprocessing=HALF))


@pytest.mark.parametrize("command", ["quantize", "palettize"])
def test_the_commands_take_it(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.onnx").write_bytes(text_model(NET, WEIGHTS).SerializeToString())
    words = [command, tmp_path / "m.onnx", "-d", IMAGES, "-o", tmp_path / "q.onnx", "--samples", "20", "--mean", "127.5", "--std", "127.5"]
    ran = run(capsys, *words, *(["--bits", "4"] if command == "palettize" else []))
    assert ran.code == 0
    assert "No real data" in " ".join(ran.out.split())
