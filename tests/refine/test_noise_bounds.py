"""Bounds of the predicted noise hold for all factors, and spare the search only where it is in
vain.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.calibration.channel_stats import ChannelStats, channel_stats
from edgeq.data.open import open_dataset
from edgeq.graph.channels.classes import Channels, channel_classes
from edgeq.graph.signature import input_specs
from edgeq.numerics.arrays import AnyArray
from edgeq.progress import Silent
from edgeq.refine import equalization
from edgeq.refine.balance import balance
from edgeq.refine.equalization import WORTH, equalizing_exponents, values_to_measure
from edgeq.refine.noise_bounds import noise_bounds
from edgeq.refine.noise_model import noise_model
from tests.graph_text import net

RNG = np.random.default_rng(3)
SIZES = np.array([1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.5, 0.05])


def conv(*shape: int) -> AnyArray:
    return RNG.normal(size=shape)


MODELS: Mapping[str, tuple[str, str, Mapping[str, AnyArray]]] = {
    "Conv": (
        "a = Conv<pads = [1, 1, 1, 1]>(x, w) r = Relu(a) c = Conv<group = 8>(r, d) e = Relu(c) y = Conv(e, v)",
        "float[N, 3, 9, 9] x",
        {"w": conv(8, 3, 3, 3) * SIZES[:, None, None, None], "d": conv(8, 1, 3, 3), "v": conv(4, 8, 1, 1)},
    ),
    "groups": (
        "a = Conv(x, w) r = Relu(a) c = Conv<group = 2>(r, d) e = Relu(c) y = Conv(e, v)",
        "float[N, 3, 9, 9] x",
        {"w": conv(8, 3, 3, 3), "d": conv(6, 4, 3, 3), "v": conv(4, 6, 1, 1)},
    ),
    "ConvTranspose": (
        "a = Conv(x, w) r = Relu(a) c = ConvTranspose<strides = [2, 2]>(r, d) e = Relu(c) y = Conv(e, v)",
        "float[N, 3, 9, 9] x",
        {"w": conv(8, 3, 3, 3) * SIZES[:, None, None, None], "d": conv(8, 5, 2, 2), "v": conv(4, 5, 1, 1)},
    ),
    "Gemm": (
        "a = Gemm(x, w) r = Relu(a) c = Gemm<transB = 1>(r, d) e = Relu(c) y = Gemm(e, v)",
        "float[N, 30] x",
        {"w": conv(30, 40), "d": conv(40, 40) * np.exp(conv(40)), "v": conv(40, 10)},
    ),
}


def measured(kind: str) -> tuple[ir.Model, Channels, ChannelStats, list[str]]:
    text, inputs, constants = MODELS[kind]
    model = net(text, inputs=inputs, constants=constants)
    shape = (12, 30) if kind == "Gemm" else (12, 3, 9, 9)
    data = open_dataset({"x": RNG.uniform(-1, 1, size=shape).astype(np.float32)}, input_specs(model))
    channels = channel_classes(model)
    names = [str(node.outputs[0].name) for node in model.graph]
    stats = channel_stats(model, values_to_measure(model, channels, names), data, Silent())
    return model, channels, stats, [name for name in names if name in channels.classes]


@pytest.mark.parametrize("kind", MODELS)
def test_no_factors_are_predicted_less_noise_and_the_given_ones_no_more(kind: str) -> None:
    model, channels, stats, grids = measured(kind)
    noise = noise_model(model, channels, stats, grids, shared=False, bits={})
    assert noise.terms
    for spread in (0.0, 0.5, 2.0):
        logs = RNG.normal(size=noise.count) * spread
        bounds = noise_bounds(model, channels, stats.peaks, stats.squares, grids, logs)
        assert noise(logs)[0] <= bounds.most <= 1.01 * noise(logs)[0]
        for other in (logs, 0 * logs, RNG.normal(size=noise.count), balance(model, channels, stats.peaks, noise)):
            assert bounds.least <= noise(other)[0]


def test_even_weights_and_channels_need_no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = np.sign(conv(40, 40))
    model = net("a = Gemm(x, w) r = Relu(a) y = Gemm(r, v)", inputs="float[N, 40] x", constants={"w": weight, "v": weight})
    data = open_dataset({"x": RNG.uniform(-1, 1, size=(50, 40)).astype(np.float32)}, input_specs(model))
    channels = channel_classes(model)
    stats = channel_stats(model, values_to_measure(model, channels, ["x", "a", "r"]), data, Silent())
    with_search = equalizing_exponents(model, channels, stats, ["x", "r"], shared=False)
    monkeypatch.setattr(equalization, "balance", lambda *_: pytest.fail("there is no prospect of a gain"))
    assert equalizing_exponents(model, channels, stats, ["x", "r"], shared=False) == with_search


def test_channels_far_apart_are_still_searched() -> None:
    """The first channel is a thousand times as large, and its readers' weights as much smaller."""
    weight, reader = conv(40, 40), conv(40, 40)
    weight[:, 0] *= 1000
    reader[0] /= 1000
    model = net("a = Gemm(x, w) r = Relu(a) y = Gemm(r, v)", inputs="float[N, 40] x", constants={"w": weight, "v": reader})
    data = open_dataset({"x": RNG.uniform(-1, 1, size=(50, 40)).astype(np.float32)}, input_specs(model))
    channels = channel_classes(model)
    stats = channel_stats(model, values_to_measure(model, channels, ["x", "a", "r"]), data, Silent())
    bounds = noise_bounds(model, channels, stats.peaks, stats.squares, ["x", "r"], np.zeros(channels.count))
    assert bounds.least < WORTH * bounds.most
    exponents = equalizing_exponents(model, channels, stats, ["x", "r"], shared=False)
    assert max(exponents["r"][1:]) - exponents["r"][0] > 24
