"""How far another runtime is from the ONNX int8 model: in steps, in equal codes, in classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from edgeq.data.open import open_dataset
from edgeq.errors import BadModel
from edgeq.graph.signature import input_specs
from edgeq.integers.graph import Operand
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.grid import QuantParams
from edgeq.proof.elsewhere.distance import Distance, measure_distance
from edgeq.runtimes.protocol import Port
from tests.graph_text import net

GRID = QuantParams("int8", np.asarray(0.5, np.float32), np.asarray(3, np.int32))
X = np.array([[1.0, 2.0], [4.0, 1.5], [3.0, 3.0], [0.5, 8.0]], np.float32)


class Runtime:
    """A runtime of y = x that is some steps off, on codes or on floats."""

    def __init__(self, steps: Sequence[Sequence[float]], dtype: str) -> None:
        self.steps = iter(steps)
        scale, zero = (0.5, 3) if dtype == "int8" else (0.0, 0)
        self.inputs = (Port("x", (1, 2), dtype, scale, zero),)
        self.outputs = (Port("y", (1, 2), dtype, scale, zero),)

    def run(self, arrays: Sequence[AnyArray]) -> list[AnyArray]:
        return [np.asarray(arrays[0] + np.asarray([next(self.steps)], arrays[0].dtype))]


def measured(steps: Sequence[Sequence[float]], dtype: str = "int8") -> Distance:
    model = net("y = Identity(x)", inputs="float[N, 2] x", outputs="float[N, 2] y")
    grids = (Operand("y", dtype, (1, 2), GRID if dtype == "int8" else None, None),)
    return measure_distance(model, grids, Runtime(steps, dtype), open_dataset({"x": X}, input_specs(model)), channels_last=False)


def test_equal_codes_are_no_distance() -> None:
    (found,) = measured([[0, 0]] * 4).outputs
    assert (found.max_lsb, found.mean_lsb, found.exact, found.agreement, found.ties) == (0.0, 0.0, 1.0, 1.0, 0.0)


def test_a_step_is_one_and_no_equal_code() -> None:
    (found,) = measured([[0, 1], [0, 0], [0, 0], [-3, 0]]).outputs
    assert (found.max_lsb, found.mean_lsb, found.exact) == (3.0, 4 / 8, 6 / 8)
    assert found.agreement == 1.0


def test_classes_that_differ_only_in_a_tie_are_told() -> None:
    """The third sample has 3.0 twice: one step makes the second class the larger."""
    (found,) = measured([[0, 0], [0, 9], [0, 1], [0, 0]]).outputs
    assert (found.agreement, found.ties) == (0.5, 0.25)


def test_floats_are_equal_or_not_and_noise_is_no_distance() -> None:
    (found,) = measured([[0.5, 0.0], [0.0, 1e-4], [0.0, -0.25], [0.0, 0.0]], "float32").outputs
    assert (found.max_lsb, found.mean_lsb, found.exact) == (0.5, 0.75 / 8, 6 / 8)


class Other(Runtime):
    """A runtime that has opened another model: its ports are other ones."""

    def __init__(self, inputs: tuple[tuple[int, ...], ...], outputs: tuple[tuple[int, ...], ...]) -> None:
        self.inputs = tuple(Port(f"x{place}", shape, "float32", 0.0, 0) for place, shape in enumerate(inputs))
        self.outputs = tuple(Port(f"y{place}", shape, "float32", 0.0, 0) for place, shape in enumerate(outputs))

    def run(self, arrays: Sequence[AnyArray]) -> list[AnyArray]:
        assert len(arrays) == len(self.inputs)
        return [np.zeros(port.shape, np.float32) for port in self.outputs]


@pytest.mark.parametrize(
    ("inputs", "outputs", "said"),
    [
        (((1, 3),), ((1, 2),), r"input x0 is \[1, 3\]"),
        (((1, 1, 2),), ((1, 2),), "input x0"),
        (((1, 2), (1, 2)), ((1, 2),), "2 inputs"),
        (((1, 2),), ((1, 5),), "5 elements"),
        (((1, 2),), ((1, 2), (1, 2)), "2 outputs"),
    ],
)
def test_another_model_than_the_reference_is_refused(
    inputs: tuple[tuple[int, ...], ...], outputs: tuple[tuple[int, ...], ...], said: str
) -> None:
    model = net("y = Identity(x)", inputs="float[N, 2] x", outputs="float[N, 2] y")
    grids = (Operand("y", "float32", (1, 2), None, None),)
    with pytest.raises(BadModel, match=said):
        measure_distance(model, grids, Other(inputs, outputs), open_dataset({"x": X}, input_specs(model)), channels_last=False)


def test_a_runtime_that_tells_no_shapes_is_taken_at_its_word() -> None:
    class Untold(Runtime):
        def __init__(self) -> None:
            super().__init__([[0, 0]] * 4, "float32")
            self.inputs = (Port("x", (), "float32", 0.0, 0),)

    model = net("y = Identity(x)", inputs="float[N, 2] x", outputs="float[N, 2] y")
    grids = (Operand("y", "float32", (1, 2), None, None),)
    found = measure_distance(model, grids, Untold(), open_dataset({"x": X}, input_specs(model)), channels_last=False)
    assert found.outputs[0].exact == 1.0
