"""What a run holds follows from the sizes of the data where the model leaves its own open."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.calibration.value_sizes import SMALL, run_bytes
from edgeq.data.open import Dataset, open_dataset
from edgeq.graph.liveness import peak_bytes
from edgeq.graph.signature import input_specs
from edgeq.graph.value_types import infer_types
from edgeq.refine.step_by_step import round_in_sequence
from edgeq.refine.step_by_step.round_in_sequence import held_samples
from tests.graph_text import net, weights


def model(sizes: str) -> ir.Model:
    one = net(
        "a = Conv<pads = [1, 1, 1, 1]>(x, w) b = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(a) c = Relu(b) y = GlobalAveragePool(c)",
        inputs=f"float[N, 4, {sizes}] x",
        constants={"w": weights(8, 4, 3, 3)},
    )
    infer_types(one, follow_values=True)
    return one


def images(one: ir.Model, size: int, count: int = 3) -> Dataset:
    return open_dataset({"x": np.zeros((count, 4, size, size), np.float32)}, input_specs(one))


@pytest.mark.parametrize("size", [128, 300])
def test_open_sizes_are_those_of_the_data(size: int) -> None:
    fixed, left_open = model(f"{size}, {size}"), model("H, W")
    assert 4 * 4 * size * size >= SMALL
    assert run_bytes(left_open, images(left_open, size)) == run_bytes(fixed, images(fixed, size)) == 4 * (4 + 8) * size * size
    assert run_bytes(left_open, images(left_open, size)) > peak_bytes(left_open, frozenset())


def test_the_model_itself_stays_open() -> None:
    one = model("H, W")
    run_bytes(one, images(one, 128))
    assert not isinstance(one.graph.inputs[0].shape[2], int)  # type: ignore[index]  # it has a shape


def test_small_data_ask_for_no_inference() -> None:
    one = model("H, W")
    assert run_bytes(one, images(one, 8)) == peak_bytes(one, frozenset())


@pytest.mark.parametrize("sizes", ["256, 256", "H, W"])
def test_as_many_samples_are_held_whoever_tells_their_size(sizes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = model(sizes)
    monkeypatch.setattr(round_in_sequence, "LEAST_SAMPLES", 1)
    monkeypatch.setattr(round_in_sequence, "HELD_BYTES", 2 * 2 * 4 * 12 * 256 * 256)
    assert held_samples(one, images(one, 256)) == 2
