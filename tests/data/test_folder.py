"""Folders: a file a sample, images with their preprocessing, splits, labels, and a set.toml that is
taken at its word.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeq.data.open import Dataset, InputSpec, open_dataset
from edgeq.data.set_toml import read_set
from edgeq.errors import BadData
from edgeq.metrics.metric import TOP1
from edgeq.starting.set_template import set_template

IMAGE = (InputSpec("image", "float32", ("N", 3, 4, 4)),)
TWO = (InputSpec("left", "float32", ("N", 4)), InputSpec("right", "float32", ("N", 4)))
HEAD = 'schema_version = 1\nname = "mine"\n'
INPUT = '\n[[input]]\nname = "image"\n'


def first(data: Dataset) -> np.ndarray:
    return next(data.batches(1)).feeds["image"]


def write_set(folder: Path, text: str) -> Path:
    (folder / "set.toml").write_text(HEAD + text)
    return folder


def pixels(height: int = 4, width: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def write_images(folder: Path, count: int = 3, height: int = 4, width: int = 4) -> None:
    for index in range(count):
        Image.fromarray(pixels(height, width, index)).save(folder / f"{index}.png")


# one file a sample


def test_npy_files_are_samples_in_name_order(tmp_path: Path) -> None:
    for name, value in (("b", 2.0), ("a", 1.0), ("c", 3.0)):
        np.save(tmp_path / f"{name}.npy", np.full((3, 4, 4), value, "float32"))
    data = open_dataset(tmp_path, IMAGE)
    (batch,) = data.batches(8)
    assert batch.feeds["image"][:, 0, 0, 0].tolist() == [1, 2, 3]
    assert data.name == tmp_path.name


def test_npz_files_hold_an_array_per_input(tmp_path: Path) -> None:
    for index in range(2):
        np.savez(tmp_path / f"{index}.npz", left=np.full(4, index, "float32"), right=np.zeros((1, 4), "float32"))
    parts = list(open_dataset(tmp_path, TWO).batches(8))
    assert [part.feeds["left"].tolist() for part in parts] == [[[0, 0, 0, 0]], [[1, 1, 1, 1]]]
    assert parts[0].feeds["right"].shape == (1, 4)


def test_samples_of_different_shape_are_not_joined(tmp_path: Path) -> None:
    for index, width in enumerate((4, 4, 6, 4)):
        np.save(tmp_path / f"{index}.npy", np.ones((3, 4, width), "float32"))
    data = open_dataset(tmp_path, (InputSpec("image", "float32", ("N", 3, 4, "W")),))
    shapes = [part.feeds["image"].shape for part in data.batches(8)]
    assert shapes == [(2, 3, 4, 4), (1, 3, 4, 6), (1, 3, 4, 4)]
    assert [list(part.samples) for part in data.batches(8)] == [[0, 1], [2], [3]]


def test_samples_of_different_shape_and_a_fixed_batch(tmp_path: Path) -> None:
    for index, width in enumerate((4, 6)):
        np.save(tmp_path / f"{index}.npy", np.ones((3, 4, width), "float32"))
    data = open_dataset(tmp_path, (InputSpec("image", "float32", (2, 3, 4, "W")),))
    with pytest.raises(BadData, match="shapes differ"):
        next(data.batches(2))


def test_a_later_file_of_wrong_shape_is_named(tmp_path: Path) -> None:
    np.save(tmp_path / "0.npy", np.ones((3, 4, 4), "float32"))
    np.save(tmp_path / "1.npy", np.ones((3, 4, 5), "float32"))
    with pytest.raises(BadData) as caught:
        list(open_dataset(tmp_path, IMAGE).batches(8))
    assert caught.value.where.endswith("1.npy (sample 1)")


def test_an_npy_file_cannot_feed_two_inputs(tmp_path: Path) -> None:
    np.save(tmp_path / "0.npy", np.ones(4))
    with pytest.raises(BadData, match="left, right"):
        open_dataset(tmp_path, TWO)


def test_an_empty_folder_has_no_samples(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="No samples"):
        open_dataset(tmp_path, IMAGE)


@pytest.mark.parametrize("name", ["all.npy", "all.npz"])
def test_the_only_file_of_a_folder_may_hold_all_samples(name: str, tmp_path: Path) -> None:
    samples = np.arange(5 * 48, dtype="float32").reshape(5, 3, 4, 4)
    if name.endswith("y"):
        np.save(tmp_path / name, samples)
    else:
        np.savez(tmp_path / name, image=samples, labels=np.arange(5))
    data = open_dataset(tmp_path, IMAGE)
    assert (data.count, data.fixed_batch, data.labels is None) == (5, None, name == "all.npy")
    np.testing.assert_array_equal(next(data.batches(8)).feeds["image"], samples)


@pytest.mark.parametrize(
    ("shape", "count"), [((3, 4, 4), 1), ((1, 3, 4, 4), 1), ((6, 2, 3, 4, 4), 6), ((2, 3, 4, 4), 1), ((4, 3, 4, 4), 4)]
)
def test_what_the_only_file_of_a_folder_holds(shape: tuple[int, ...], count: int, tmp_path: Path) -> None:
    """A model of two images a run: one sample, samples, or whole feeds."""
    np.save(tmp_path / "a.npy", np.ones(shape, "float32"))
    specs = (InputSpec("image", "float32", ("N" if shape[0] in (1, 3) else 2, 3, 4, 4)),)
    assert open_dataset(tmp_path, specs).count == count


# images


def test_floats_are_taken_as_they_are_whatever_set_toml_says(tmp_path: Path) -> None:
    write_set(tmp_path, INPUT + "scale = 0.00392156862745098\nmean = [0.4, 0.5, 0.6]\nstd = [0.2, 0.25, 0.5]\n")
    sample = pixels().transpose(2, 0, 1) / np.float32(255)
    for index in range(2):
        np.save(tmp_path / f"{index}.npy", sample)
    data = open_dataset(tmp_path, IMAGE)
    np.testing.assert_array_equal(first(data)[0], sample)
    (note,) = data.notes
    assert "floats of image are taken as they are" in note


def test_integers_of_arrays_are_scaled_as_those_of_images(tmp_path: Path) -> None:
    write_set(tmp_path, INPUT + "scale = 0.5\n")
    np.save(tmp_path / "0.npy", pixels().transpose(2, 0, 1))
    data = open_dataset(tmp_path, IMAGE)
    np.testing.assert_array_equal(first(data)[0], pixels().transpose(2, 0, 1) * np.float32(0.5))
    assert data.notes == ()


def test_images_without_set_toml_are_refused_with_the_way_out(tmp_path: Path) -> None:
    write_images(tmp_path)
    with pytest.raises(BadData) as caught:
        open_dataset(tmp_path, IMAGE)
    assert "set.toml" in caught.value.fix


def test_image_becomes_channels_first_scaled_and_normalized(tmp_path: Path) -> None:
    write_images(tmp_path)
    write_set(tmp_path, INPUT + "scale = 0.00392156862745098\nmean = [0.4, 0.5, 0.6]\nstd = [0.2, 0.25, 0.5]\n")
    mean, std = np.float32([0.4, 0.5, 0.6]), np.float32([0.2, 0.25, 0.5])
    expected = ((pixels() * np.float32(1 / 255) - mean) / std).transpose(2, 0, 1)[None]
    data = open_dataset(tmp_path, IMAGE)
    np.testing.assert_array_equal(first(data), expected)
    assert (data.name, data.count) == ("mine", 3)


def test_image_without_scale_keeps_its_bytes(tmp_path: Path) -> None:
    write_images(write_set(tmp_path, INPUT))
    result = first(open_dataset(tmp_path, (InputSpec("image", "uint8", ("N", 3, 4, 4)),)))
    np.testing.assert_array_equal(result[0], pixels().transpose(2, 0, 1))


def test_image_channels_last_and_bgr(tmp_path: Path) -> None:
    write_images(write_set(tmp_path, INPUT + 'layout = "NHWC"\nchannels = "BGR"\nmean = [1, 2, 3]\n'))
    result = first(open_dataset(tmp_path, (InputSpec("image", "float32", (1, 4, 4, 3)),)))
    np.testing.assert_array_equal(result[0], pixels()[..., ::-1].astype("float32") - np.float32([1, 2, 3]))


def test_image_in_gray_has_one_channel(tmp_path: Path) -> None:
    write_images(write_set(tmp_path, INPUT + 'channels = "gray"\n'))
    result = first(open_dataset(tmp_path, (InputSpec("image", "float32", ("N", 1, 4, 4)),)))
    np.testing.assert_array_equal(result[0, 0], np.asarray(Image.fromarray(pixels()).convert("L"), "float32"))


def test_resize_of_the_shorter_side_and_crop_of_the_middle(tmp_path: Path) -> None:
    write_images(tmp_path, 1, height=6, width=12)
    write_set(tmp_path, INPUT + 'resize = 8\nfilter = "bicubic"\ncrop = [4, 4]\n')
    expected = np.asarray(Image.fromarray(pixels(6, 12)).resize((16, 8), Image.Resampling.BICUBIC))[2:6, 6:10]
    np.testing.assert_array_equal(first(open_dataset(tmp_path, IMAGE))[0], expected.transpose(2, 0, 1).astype("float32"))


def test_resize_to_height_and_width(tmp_path: Path) -> None:
    write_images(write_set(tmp_path, INPUT + "resize = [4, 8]\n"), 1)
    assert first(open_dataset(tmp_path, (InputSpec("image", "float32", ("N", 3, 4, 8)),))).shape == (1, 3, 4, 8)


def test_crop_larger_than_the_image(tmp_path: Path) -> None:
    write_images(write_set(tmp_path, INPUT + "crop = [4, 5]\n"))
    with pytest.raises(BadData, match="smaller than crop"):
        open_dataset(tmp_path, IMAGE)


def test_mean_of_wrong_length(tmp_path: Path) -> None:
    write_images(write_set(tmp_path, INPUT + "mean = [1.0, 2.0]\n"))
    with pytest.raises(BadData, match="2 numbers"):
        open_dataset(tmp_path, IMAGE)


@pytest.mark.parametrize("content", [b"no image", b"\x89PNG\r\n\x1a\n", None], ids=["text", "magic only", "cut off"])
def test_image_that_cannot_be_decoded(tmp_path: Path, content: bytes | None) -> None:
    write_images(write_set(tmp_path, INPUT), 1, 64, 64)
    whole = (tmp_path / "0.png").read_bytes()
    (tmp_path / "0.png").write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(BadData, match="cannot be decoded") as caught:
        open_dataset(tmp_path, IMAGE)
    assert "0.png" in caught.value.where


def test_image_of_16_bits_is_refused_not_clipped(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 60000, np.uint16)).save(write_set(tmp_path, INPUT) / "0.png")
    with pytest.raises(BadData, match="8 bits"):
        open_dataset(tmp_path, IMAGE)


def test_image_of_a_hundred_million_pixels_is_refused_undecoded(tmp_path: Path) -> None:
    Image.new("1", (10_000, 10_000)).save(write_set(tmp_path, INPUT) / "0.png")
    with pytest.raises(BadData, match="10000x10000"):
        open_dataset(tmp_path, IMAGE)


# splits and labels


def test_splits_labels_and_metric(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    write_images(tmp_path / "a", 3)
    np.savez(tmp_path / "b.npz", image=pixels()[None].transpose(0, 3, 1, 2), labels=[7])
    (tmp_path / "a.csv").write_text("file,label\na/2.png,5\na/0.png,3\na/1.png,4\n")
    splits = '\n[split.calibration]\nfiles = ["a/*.png"]\nlabels = "a.csv"\n\n[split.evaluation]\nfile = "b.npz"\n'
    write_set(tmp_path, 'metric = "top1"\nlicence = "CC0"\n' + INPUT + "scale = 0.5\n" + splits)
    calibration, evaluation = open_dataset(tmp_path, IMAGE), open_dataset(tmp_path / "set.toml", IMAGE, split="evaluation")
    assert calibration.labels is not None
    assert evaluation.labels is not None
    assert (calibration.labels.tolist(), evaluation.labels.tolist(), calibration.metric) == ([3, 4, 5], [7], TOP1)
    np.testing.assert_array_equal(first(calibration), first(evaluation))  # the same preprocessing for images and arrays
    with pytest.raises(BadData, match="no split `test`"):
        open_dataset(tmp_path, IMAGE, split="test")


@pytest.mark.parametrize("text", ["3\n4\n5\n", "label\n3\n4\n5", "0.png,3\n1.png,4\n2.png,5\n"])
def test_labels_as_text(tmp_path: Path, text: str) -> None:
    write_images(write_set(tmp_path, 'labels = "y.txt"\n' + INPUT))
    (tmp_path / "y.txt").write_text(text)
    labels = open_dataset(tmp_path, IMAGE).labels
    assert labels is not None
    assert labels.tolist() == [3, 4, 5]


def test_labels_as_npy_are_not_taken_for_a_sample(tmp_path: Path) -> None:
    write_images(write_set(tmp_path, 'labels = "y.npy"\n' + INPUT))
    np.save(tmp_path / "y.npy", np.array([3, 4, 5]))
    data = open_dataset(tmp_path, IMAGE)
    assert data.labels is not None
    assert (data.count, data.labels.tolist()) == (3, [3, 4, 5])


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("3\n4\n", "2 labels for 3 samples"),
        ("0.png,3\n1.png,4\n", "No label for `2.png`"),
        ("3\ncat\n5\n", "`cat` is not a class number"),
        ("0.png,3,1\n1.png,4,1\n2.png,5,1", "is not `file,label`"),
        ("3\n\xff\n", "not a class number"),
        ("3\n--4\n5\n", "`--4` is not a class number"),
        ("0.png,3\n1.png,+-4\n2.png,5", "not a class number"),
    ],
)
def test_labels_that_do_not_fit(tmp_path: Path, text: str, what: str) -> None:
    write_images(write_set(tmp_path, 'labels = "y.csv"\n' + INPUT))
    (tmp_path / "y.csv").write_text(text, encoding="utf-8")
    with pytest.raises(BadData, match=what):
        open_dataset(tmp_path, IMAGE)


# set.toml


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('sice = "x"\n', "Unknown key `sice`"),
        (INPUT + 'layout = "NCWH"\n', "layout"),
        (INPUT + 'channels = "rgb"\n', "channels"),
        (INPUT + "std = 0.0\n", "std"),
        (INPUT + "resize = 0\n", "resize"),
        (INPUT + INPUT, "twice"),
        ('[[input]]\nname = "imago"\n', "no input `imago`"),
        ('metric = "bleu"\n', "metric"),
        ('files = ["a/*"]\n[split.calibration]\nfile = "a.npz"\n', "belong in them"),
        ('[split.calibration]\nlabels = "y.csv"\n', "either `file` or `files`"),
        ('[split.calibration]\nfile = "a.npz"\n', "`a.npz` is missing"),
        ('[split.calibration]\nfile = "../a.npz"\n', "out of the folder"),
        ('files = ["/etc/*"]\n', "out of the folder"),
        ("name\n", "not valid TOML"),
    ],
)
def test_set_toml_is_strict(tmp_path: Path, text: str, what: str) -> None:
    write_images(write_set(tmp_path, text))
    with pytest.raises(BadData, match=what) as caught:
        open_dataset(tmp_path, IMAGE)
    assert "set.toml" in caught.value.where


def test_template_is_a_valid_set_that_opens(tmp_path: Path) -> None:
    write_images(tmp_path, 3, 9, 7)
    (tmp_path / "set.toml").write_text(set_template(IMAGE))
    data = open_dataset(tmp_path, IMAGE)
    assert first(data).shape == (1, 3, 4, 4)
    assert 0 <= first(data).min() <= first(data).max() <= 1


def test_template_names_every_input(tmp_path: Path) -> None:
    specs = (InputSpec('odd "name"', "int64", ("N", None)), InputSpec("pixels", "float32", (1, 8, 6, 1)))
    (tmp_path / "set.toml").write_text(set_template(specs, images=True))
    odd, image = read_set(tmp_path / "set.toml").input
    assert (odd.name, odd.resize) == ('odd "name"', None)
    assert (image.name, image.layout, image.channels, image.resize) == ("pixels", "NHWC", "gray", (8, 6))


def test_a_pattern_that_walks_the_folder_again_and_again_is_refused(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a"] * 20)
    deep.mkdir(parents=True)
    write_images(deep, count=1)
    for pattern, found in (("**/*.png", 1), ("**/a/**/*.png", 1), ("**/" * 12 + "*.png", None), ("**/a/" * 12 + "*.png", None)):
        folder = write_set(tmp_path, f'files = ["{pattern}"]' + INPUT)
        if found is None:
            with pytest.raises(BadData, match=r"more than 2 `\*\*`"):
                open_dataset(str(folder), IMAGE)
        else:
            assert open_dataset(str(folder), IMAGE).count == found
