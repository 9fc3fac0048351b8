"""The folder in which a reader tries what the pages say: the files that their commands read, small.

For the tests that run the blocks of the pages and the examples of the help.
"""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import onnx.reference
import onnx.utils
from PIL import Image

from edgeq.cli.main import main
from edgeq.numerics.arrays import AnyArray
from tests.docs.written import ROOT
from tests.small_models import text_model

CLASSES, SAMPLES, SIDE = 10, 60, 16
#: what a reader's set.toml says of photos: (pixel - 127.5) / 127.5
SCALE, MEAN, STD = 1.0, "127.5", "127.5"
NET = """<ir_version: 8, opset_import: ["": 13]>
net (float[N, 3, 16, 16] input) => (float[N, 10] probabilities) {
  [Conv_0] c0 = Conv<pads=[1, 1, 1, 1]>(input, w0, b0)
  [Relu_1] r0 = Relu(c0)
  [Pool_2] p = AveragePool<kernel_shape=[4, 4], strides=[4, 4]>(r0)
  [Conv_3] c3 = Conv(p, w3, b3)
  [Relu_4] r3 = Relu(c3)
  [Flatten_5] f = Flatten(r3)
  [classifier] logits = Gemm(f, w6, b6)
  [Softmax_7] probabilities = Softmax<axis=1>(logits)
}"""
PHOTOS = """schema_version = 1
name = "photos"
metric = "top1"
files = ["*.png"]
labels = "labels.txt"

[[input]]
name = "input"
mean = 127.5
std = 127.5
"""
METRICS = "def recall(outputs, labels):\n    return float((outputs.argmax(-1) == labels).mean())\n"
RECIPE = '[codebook]\nbits = 4\nlayers = ["Gemm=6"]\n'


def pixels(count: int, seed: int) -> tuple[AnyArray, AnyArray]:
    """Images as uint8 [count, 3, SIDE, SIDE], and which of the classes each is, int64 [count]."""
    shapes = np.random.default_rng(7).uniform(60, 195, (CLASSES, 3, 4, 4)).repeat(4, axis=2).repeat(4, axis=3)
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    return np.clip(np.rint(shapes[labels] + rng.normal(0, 15, (count, 3, SIDE, SIDE))), 0, 255).astype(np.uint8), labels.astype(np.int64)


def normalized(images: AnyArray, scale: float = SCALE, mean: str = MEAN, std: str = STD) -> AnyArray:
    """(pixel * scale - mean) / std in float32; mean and std as the options spell them."""
    means, stds = (np.array([float(part) for part in word.split(",")]).reshape(-1, 1, 1) for word in (mean, std))
    return ((images * scale - means) / stds).astype(np.float32)


def classifier() -> onnx.ModelProto:
    """A network whose last layer is the least-squares answer for what the layers before it make."""
    rng = np.random.default_rng(3)
    weights = {
        "w0": rng.normal(0, 0.3, (8, 3, 3, 3)).astype(np.float32),
        "b0": rng.normal(0, 0.3, 8).astype(np.float32),
        "w3": rng.normal(0, 0.4, (16, 8, 1, 1)).astype(np.float32),
        "b3": rng.normal(0, 0.3, 16).astype(np.float32),
        "w6": np.zeros((256, CLASSES), np.float32),
        "b6": np.zeros(CLASSES, np.float32),
    }
    images, labels = pixels(400, 11)
    parts = onnx.utils.Extractor(onnx.shape_inference.infer_shapes(text_model(NET, weights))).extract_model(["input"], ["f"])
    (features,) = onnx.reference.ReferenceEvaluator(parts).run(None, {"input": normalized(images)})
    wanted = np.eye(CLASSES)[labels] * 6
    square = features.T @ features + 0.1 * np.eye(features.shape[1])
    weights["w6"] = np.linalg.solve(square, features.T @ wanted).astype(np.float32)
    return text_model(NET, weights)


def write_data(folder: Path, scale: float = SCALE, mean: str = MEAN, std: str = STD) -> None:
    """The .npz files of a folder, preprocessed as a command says."""
    for name, seed, labelled in (("samples", 1, False), ("calib", 1, False), ("labelled", 1, True), ("eval", 2, True)):
        images, labels = pixels(SAMPLES, seed)
        arrays = {"input": normalized(images, scale, mean, std)} | ({"labels": labels} if labelled else {})
        np.savez(folder / f"{name}.npz", **arrays)


def write_photos(folder: Path, name: str) -> None:
    """A data set of PNG files with their classes and a set.toml."""
    (folder / name).mkdir()
    images, labels = pixels(SAMPLES, 1)
    for index, image in enumerate(images):
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / name / f"{index:03d}.png")
    (folder / name / "labels.txt").write_text("\n".join(map(str, labels)) + "\n")
    (folder / name / "set.toml").write_text(PHOTOS)


def write_models(folder: Path) -> None:
    """A folder of models with the data of each, as benchmarks take them."""
    (folder / "strangers").mkdir()
    for name, kept in (("model.onnx", "net.onnx"), ("calib.npz", "net.calib.npz"), ("eval.npz", "net.eval.npz")):
        shutil.copy(folder / name, folder / "strangers" / kept)


def make_folder(path: Path) -> Path:
    """Everything that the commands of the pages read; quantizes and palettizes once."""
    onnx.save(classifier(), path / "model.onnx")
    write_data(path)
    for name in ("photos", "eval"):
        write_photos(path, name)
    (path / "metrics.py").write_text(METRICS)
    (path / "recipe.toml").write_text(RECIPE)
    shutil.copy(ROOT / "targets" / "cpu.toml", path / "my_npu.toml")
    write_models(path)
    model, data = str(path / "model.onnx"), str(path / "calib.npz")
    for words in (
        ["quantize", model, "-d", data, "-o", str(path / "model.int8.onnx"), "--no-prove", "-q"],
        ["quantize", model, "-d", data, "-o", str(path / "peers_model.int8.onnx"), "-t", "mcu_tflite", "--no-prove", "--no-plan", "-q"],
        ["palettize", model, "--bits", "4", "-o", str(path / "model.w4.onnx"), "--no-prove", "-q"],
        ["calibrate", model, "-d", str(path / "calib.npz"), "--range", "20:40", "-o", str(path / "shard2.npz"), "-q"],
    ):
        assert main(words) == 0
    shutil.copy(path / "model.int8.onnx", path / "peers_model.onnx")
    if find_spec("tflite") is not None:
        words = ["quantize", model, "-d", data, "-o", str(path / "model.tflite"), "-t", "mcu_tflite", "--golden", "4", "--layers"]
        assert main([*words, "--no-prove", "-q"]) == 0
        with np.load(path / "model.golden.npz") as golden:  # a board that computes as edgeq does
            np.savez(path / "board.npz", **{name: golden[name] for name in golden.files if name.startswith("value_")})
    return path
