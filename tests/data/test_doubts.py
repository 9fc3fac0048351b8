"""Doubts about data that fits: each warning has data that raises it and data that does not."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.data.doubts import data_doubts
from edgeq.data.input_scale import first_layer_gains
from edgeq.data.open import InputSpec, open_dataset, shipped_model
from edgeq.graph.signature import input_specs
from tests.zoo import zoo_model

IMAGE = (InputSpec("image", "float32", ("N", 3, 4, 4)),)
MASKED = (InputSpec("ids", "int64", ("N", "S")), InputSpec("mask", "int64", ("N", "S")))


def images(count: int = 10, top: float = 1.0) -> np.ndarray:
    return (np.random.default_rng(0).random((count, 3, 4, 4)) * top).astype("float32")


def warnings(data: dict[str, np.ndarray], specs: tuple[InputSpec, ...] = IMAGE, gains: dict[str, float] | None = None) -> tuple[str, ...]:
    return tuple(one.text for one in data_doubts(open_dataset(data, specs), specs, gains))


def test_good_data_gives_none() -> None:
    assert warnings({"image": images()}) == ()


def test_few_samples() -> None:
    (text,) = warnings({"image": images(7)})
    assert text.startswith("Only 7 samples")


@pytest.mark.parametrize("count", [1, 12])
def test_one_sample_is_no_data_however_often_it_is_there(count: int) -> None:
    found = data_doubts(open_dataset({"image": np.repeat(images(1), count, axis=0)}, IMAGE), IMAGE)
    assert (found[0].kind, found[0].ends) == ("one_sample", True)


def test_a_model_without_inputs_has_one_sample_of_right() -> None:
    assert not any(one.ends for one in data_doubts(open_dataset({}, ()), ()))


def test_what_ends_a_run_comes_first() -> None:
    x = np.rint(images(7, top=255))
    x[3] = 9
    x[5] = x[6]
    kinds = [one.kind for one in data_doubts(open_dataset({"image": x}, IMAGE), IMAGE, {"image": 3.0})]
    assert kinds == ["unlike", "few", "constant", "copies"]


def test_unused_samples() -> None:
    (text,) = warnings({"image": images(11)}, (InputSpec("image", "float32", (2, 3, 4, 4)),))
    assert text.startswith("1 samples are unused")


def test_constant_samples() -> None:
    x = images()
    x[3] = 0.5
    (text,) = warnings({"image": x})
    assert text.startswith("1 of 10 samples are constant")
    assert "sample 3" in text


def test_a_constant_mask_beside_varying_values_is_normal() -> None:
    ids = np.random.default_rng(0).integers(0, 99, (10, 6))
    assert warnings({"ids": ids, "mask": np.ones_like(ids)}, MASKED) == ()


def test_scalar_inputs_are_not_constant_samples() -> None:
    assert warnings({"v": np.arange(10.0)}, (InputSpec("v", "float32", ("N",)),)) == ()


def test_duplicate_samples() -> None:
    x = images()
    x[5] = x[8] = x[2]
    (text,) = warnings({"image": x})
    assert text == "2 of 10 samples are copies of an earlier one (sample 5 of sample 2)."


def test_raw_pixels_without_a_hint() -> None:
    (text,) = warnings({"image": np.rint(images(top=255))})
    assert "whole numbers 0..255" in text or "like raw pixels" in text


def test_a_part_of_the_samples_is_not_scaled() -> None:
    x = images(top=255)
    x[4] /= 255
    (text,) = warnings({"image": x}, gains={"image": 0.01})
    assert "1 samples lie in 0..1" in text
    assert "sample 4" in text


@pytest.mark.parametrize(
    ("gain", "top", "expected"), [(3.0, 255.0, "much smaller"), (0.01, 1.0, "much larger"), (3.0, 1.0, ""), (0.01, 255.0, "")]
)
def test_range_against_the_first_layer(gain: float, top: float, expected: str) -> None:
    found = warnings({"image": np.rint(images(top=top)) if top > 1 else images()}, gains={"image": gain})
    assert bool(found) == bool(expected)
    assert all(expected in text for text in found)


def test_values_of_0_to_1_are_small_up_to_1_itself() -> None:
    data = images()
    data[0, 0, 0, 0] = 1.0
    (text,) = warnings({"image": data}, gains={"image": 0.01})
    assert "much larger" in text


def test_first_layer_gains_include_a_batch_normalization() -> None:
    # the rows of w: norm 5, times 2 / sqrt(0.25) = 20; norm 1, times |-4| / sqrt(1) = 4
    model = ir.from_onnx_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[N,2,4,4] x, float[N,3] z, float[N,3] free) => (float[N,2,2,2] y, float[N,2] u, float[N,3] v)
          <float[2,2,3,3] w = {3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
           float[2] gamma = {2, -4}, float[2] beta = {0, 0}, float[2] mean = {0, 0}, float[2] var = {0.25, 1},
           float[3,2] m = {3, 0, 4, 0, 0, 1}> {
            t = Transpose <perm = [0, 1, 3, 2]> (x)
            c = Conv (t, w)
            y = BatchNormalization <epsilon = 0.0> (c, gamma, beta, mean, var)
            u = MatMul (z, m)
            v = Relu (free)
        }""")
    assert first_layer_gains(model) == pytest.approx({"x": 12.0, "z": 3.0})


def test_digits_are_scaled_as_their_model_expects() -> None:
    model = ir.load(shipped_model("digits"))
    specs, gains = input_specs(model), first_layer_gains(model)
    good = open_dataset("digits", specs)
    assert data_doubts(good, specs, gains) == ()
    raw = {"image": np.concatenate([np.rint(batch.feeds["image"] * 255) for batch in good.batches(32)])}
    (doubt,) = data_doubts(open_dataset(raw, specs), specs, gains)
    assert "much smaller" in doubt.text


@pytest.mark.parametrize(("name", "divisor"), [("resnet8_cifar10", 1.0), ("resnet20_cifar10", 60.0), ("mobilenetv1_025_vww", 255.0)])
def test_real_networks_tell_their_own_scale(name: str, divisor: float) -> None:
    """resnet8 takes bytes as they are, the others normalized ones; their weights say so."""
    model = ir.load(zoo_model(name))
    specs, gains = input_specs(model), first_layer_gains(model)
    size = specs[0].shape[2] if specs[0].shape else 0
    raw = np.rint(np.random.default_rng(0).random((8, 3, size, size)) * 255)
    assert bool(data_doubts(open_dataset({"input": raw}, specs), specs, gains)) == (divisor > 1)
