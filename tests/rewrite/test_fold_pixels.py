"""Preprocessing folded into a float model: of the pixels' grid it computes what the model does of
preprocessed floats, borders included.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from edgeq.data.pixel_maps import pixel_maps
from edgeq.data.set_toml import SetInput
from edgeq.errors import BadRecipe, UnsupportedOp
from edgeq.graph.signature import InputSpec, input_specs
from edgeq.numerics.grid import dequantize
from edgeq.rewrite.fold_pixels import fold_pixels
from edgeq.runtimes.ort import open_session
from edgeq.schema.pixels import PixelMap, Preprocessing, pixel_grid
from edgeq.schema.target import load_target
from tests.graph_text import net

CHANCE = np.random.default_rng(0)
W = CHANCE.normal(size=(4, 3, 3, 3))
GROUPED = CHANCE.normal(size=(8, 2, 3, 3))
B, K, Q = CHANCE.normal(size=4), CHANCE.normal(size=(192, 5)), CHANCE.normal(size=5)
SCALAR = Preprocessing(scale=1 / 255, mean=(0.1307,), std=(0.3081,))
HALF = Preprocessing(scale=1 / 255, mean=(0.5,), std=(0.5,))
IMAGENET = Preprocessing(scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
STDS = Preprocessing(scale=1 / 255, std=(0.2, 0.3, 0.4))
NCHW, NHWC = "float[N, 3, 8, 8] x", "float[N, 8, 8, 3] x"


@dataclass(frozen=True)
class Case:
    """convs: in the folded model; a Conv more than before is a layer of its own before the
    model.
    """

    name: str
    said: Preprocessing
    body: str
    convs: int
    inputs: str = NCHW
    target: str = "cpu"


CASES = (
    Case("grid", Preprocessing(scale=1 / 255), "y = Conv<pads = [1, 1, 1, 1]>(x, w, b)", 1),
    Case("into a Conv", IMAGENET, "y = Conv(x, w, b)", 1),
    Case("into a Conv without a bias", IMAGENET, "y = Conv(x, w)", 1),
    Case("into a Conv of groups", Preprocessing(std=(2.0, 3.0, 4.0, 5.0), mean=(1.5, 2, 3, 4)), "y = Conv<group = 2>(x, g)", 1,
         "float[N, 4, 8, 8] x"),
    Case("zeros of padding stay zeros", STDS, "y = Conv<pads = [1, 1, 1, 1]>(x, w, b)", 1),
    Case("zeros of padding would be others", IMAGENET, "y = Conv<pads = [1, 1, 1, 1]>(x, w, b)", 2),
    Case("half a pixel", HALF, "y = Conv<auto_pad = \"SAME_UPPER\">(x, w, b)", 2),
    Case("a Pad before", HALF, "p = Pad(x, e)  y = Conv(p, w, b)", 2),
    Case("two readers", IMAGENET, "h = Conv(x, w, b)  r = Relu(x)  i = Conv(r, w, b)  y = Add(h, i)", 3),
    Case("through a Transpose", IMAGENET, "t = Transpose<perm = [0, 3, 1, 2]>(x)  y = Conv(t, w, b)", 1, NHWC),
    Case("channels last", IMAGENET, "t = Transpose<perm = [0, 3, 1, 2]>(x)  y = Conv<pads = [1, 1, 1, 1]>(t, w, b)", 2, NHWC),
    Case("into a Gemm", SCALAR, "f = Flatten(x)  y = Gemm(f, k, o)", 0),
    Case("into a transposed Gemm", SCALAR, "f = Flatten(x)  y = Gemm<transB = 1>(f, u)", 0),
    Case("into a MatMul", SCALAR, "f = Flatten(x)  y = MatMul(f, k)", 0),
    Case("not into a scaled Gemm", SCALAR, "f = Flatten(x)  y = Gemm<alpha = 0.5>(f, k, o)", 1),
    Case("numbers a channel, not into a Gemm", IMAGENET, "f = Flatten(x)  y = Gemm(f, k, o)", 1),
    Case("scales of two", IMAGENET, "y = Conv<pads = [1, 1, 1, 1]>(x, w, b)", 2, target="npu_pow2"),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_computes_the_same(case: Case) -> None:
    constants = {"w": W, "b": B, "g": GROUPED, "k": K, "u": K.T, "o": Q, "e": np.array([0, 0, 1, 1, 0, 0, 1, 1])}
    model = net(case.body, inputs=case.inputs, constants=constants)
    maps = pixel_maps(input_specs(model), {}, case.said)
    grids = {"x": pixel_grid(maps["x"], load_target(case.target).activations)}
    folded = fold_pixels(model, maps, grids)
    shape = [5, *(int(size) for size in list(model.graph.inputs[0].shape or ())[1:] if isinstance(size, int))]
    pixels = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    x = (maps["x"].along(maps["x"].scale) * (pixels - maps["x"].along(maps["x"].zero))).astype(np.float32)
    with open_session(model) as first, open_session(folded) as second:
        (wanted,), (found,) = first.run({"x": x}, ["y"]), second.run({"x": dequantize(pixels, grids["x"])}, ["y"])
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4 * float(np.abs(wanted).max()))
    assert sum(node.op_type == "Conv" for node in folded.graph) == case.convs
    assert np.array_equal(maps["x"].codes(x), pixels)


def test_what_fits_nowhere_is_refused() -> None:
    model = net("y = Relu(x)", inputs="float[N, 8] x")
    maps = pixel_maps(input_specs(model), {}, HALF)
    with pytest.raises(UnsupportedOp, match="folded neither"):
        fold_pixels(model, maps, {"x": pixel_grid(maps["x"], load_target("cpu").activations)})


def test_a_whole_zero_pixel_is_the_zero_point() -> None:
    one = PixelMap(scale=(1 / 128,), zero=(127.9999,), axis=-3)
    for target in ("cpu", "npu_int8", "npu_pow2"):
        grid = pixel_grid(one, load_target(target).activations)
        assert (grid.dtype, float(grid.scale), int(grid.zero_point)) == ("uint8", 1 / 128, 128)


SPEC = InputSpec("x", "float32", ("N", 3, 8, 8))


@pytest.mark.parametrize(
    ("specs", "how", "said", "words"),
    [
        ((SPEC,), {}, Preprocessing(), "not known"),
        ((SPEC,), {"x": SetInput(name="x")}, HALF, "twice"),
        ((SPEC, InputSpec("z", "float32", ("N", 3))), {}, HALF, "float inputs are: x, z"),
        ((SPEC,), {}, Preprocessing(mean=(0.1, 0.2)), "3 channels"),
        ((SPEC,), {}, Preprocessing(mean=(0.1, 0.2, 0.3), std=(1.0, 2.0)), "std 2"),
        ((InputSpec("x", "float16", ("N", 3, 8, 8)),), {}, HALF, "float32"),
        ((SPEC,), {"x": SetInput(name="x", scale=-1.0)}, Preprocessing(), "positive"),
    ],
)
def test_says_what_is_wrong(specs: tuple[InputSpec, ...], how: dict[str, SetInput], said: Preprocessing, words: str) -> None:
    with pytest.raises(BadRecipe) as caught:
        pixel_maps(specs, how, said)
    assert words in str(caught.value)


def test_layout_of_channels() -> None:
    last = pixel_maps((InputSpec("x", "float32", (1, 8, 8, 3)),), {}, IMAGENET)["x"]
    assert last.axis == -1
    first = pixel_maps((SPEC,), {"x": SetInput(name="x", scale=1 / 255, mean=(0.1, 0.2, 0.3))}, Preprocessing())["x"]
    assert first.axis == -3
    assert np.allclose(first.zero, np.array([0.1, 0.2, 0.3]) * 255)
