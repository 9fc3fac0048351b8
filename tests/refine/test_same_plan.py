"""Statistics and plans are the same bytes for any memory budget, number of workers and batch."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

import edgeq
from edgeq.calibration import value_reader
from edgeq.calibration.memory import within_memory
from edgeq.engines.current import using
from edgeq.engines.local import Local
from tests.changed import changed
from tests.graph_text import net, weights

X = np.random.default_rng(5).normal(size=(24, 3, 12, 12)).astype(np.float32)
TEXT = """[one] a = Conv<pads = [1, 1, 1, 1]>(x, u, b) r = Relu(a) [two] c = Conv<pads = [1, 1, 1, 1]>(r, v, b) s = Relu(c)
    [three] d = Conv<pads = [1, 1, 1, 1]>(s, v, b) t = Add(d, s) p = GlobalAveragePool(t) f = Flatten(p) [four] y = Gemm(f, g, h)"""


def model() -> ir.Model:
    constants = {"u": weights(16, 3, 3, 3), "v": weights(16, 16, 3, 3), "b": weights(16), "g": weights(16, 5), "h": weights(5)}
    return net(TEXT, inputs="float[N, 3, 12, 12] x", constants=constants)


def plan(batch: int = 8) -> str:
    recipe = changed(edgeq.Recipe(), batch=batch)
    return changed(edgeq.quantize(model(), {"x": X}, recipe=recipe, prove=False).plan, recipe="").model_dump_json()


@pytest.fixture(autouse=True)
def small_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the model is read in several stages, at any budget."""
    monkeypatch.setattr(value_reader, "STAGE_BYTES", 1 << 14)


def test_the_plan_is_the_same_for_any_memory_and_number_of_workers() -> None:
    wanted = plan()
    for workers, memory in ((1, None), (4, 1), (3, 1 << 20)):
        with using(Local(workers)), within_memory(memory):
            assert plan() == wanted


def test_the_plan_is_the_same_for_any_batch() -> None:
    assert plan(1) == plan(5)


def test_statistics_are_the_same_for_any_memory() -> None:
    wanted = edgeq.calibrate(model(), {"x": X}).hash
    with within_memory(1):
        assert edgeq.calibrate(model(), {"x": X}).hash == wanted
