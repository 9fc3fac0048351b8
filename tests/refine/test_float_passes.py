"""How often the float model runs: a pass more has to be a decision (docs/decisions/0033)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir
import pytest

import edgeq
from edgeq.calibration.pairs import known_outputs
from edgeq.numerics.arrays import AnyArray
from edgeq.progress import Silent
from edgeq.runtimes.ort import Session
from tests.changed import changed
from tests.graph_text import net, weights

#: what progress calls the passes over the float model
PASSES = ("calibrate", "channel statistics", "output errors", "ranges by their readers", "second moments", "correct biases")
CONV = """[one] a = Conv<pads = [1, 1, 1, 1]>(x, u, b) r = ACT(a) [two] c = Conv<pads = [1, 1, 1, 1]>(r, v, b) s = ACT(c)
    p = GlobalAveragePool(s) f = Flatten(p) [three] y = Gemm(f, g, h)"""
MATMUL = """n = LayerNormalization(x, one) [a] q = MatMul(n, u) e = Erf(q) m = LayerNormalization(e, one) [b] y = MatMul(m, v)"""


class Told(Silent):
    """Counts what was begun."""

    def __init__(self) -> None:
        self.count = Counter[str]()

    def start(self, task: str, total: int | None) -> None:  # noqa: ARG002  # its name is part of the protocol
        self.count[task] += 1


def conv(act: str = "Relu") -> ir.Model:
    """Channels can be scaled through a Relu, not through a Sigmoid."""
    constants = {"u": weights(16, 3, 3, 3), "v": weights(16, 16, 3, 3), "b": weights(16), "g": weights(16, 5), "h": weights(5)}
    return net(CONV.replace("ACT", act), inputs="float[N, 3, 8, 8] x", constants=constants)


def matmul() -> ir.Model:
    constants = {"one": np.ones(64, np.float32), "u": weights(64, 64), "v": weights(64, 64)}
    return net(MATMUL, inputs="float[N, 8, 64] x", constants=constants)


#: rule mse would be tried against the whole ranges, both of them on all samples
MINMAX = changed(edgeq.Recipe(), rule="minmax")
IMAGES = np.random.default_rng(5).normal(size=(24, 3, 8, 8)).astype(np.float32)
ROWS = np.random.default_rng(6).normal(size=(24, 8, 64)).astype(np.float32)


def passes(model: ir.Model, x: AnyArray) -> dict[str, int]:
    """How often each ran."""
    told = Told()
    edgeq.quantize(model, {"x": x}, recipe=MINMAX, prove=False, progress=told)
    return {name: told.count[name] for name in PASSES if told.count[name]}


def test_ranges_and_channels_are_measured_in_one_pass() -> None:
    assert passes(conv("Sigmoid"), IMAGES) == {"calibrate": 1, "second moments": 1, "correct biases": 1}


def test_scaled_channels_cost_one_more() -> None:
    found = passes(conv(), IMAGES)
    assert found["calibrate"] == 2
    assert "channel statistics" not in found


def test_input_grids_of_matmuls_cost_one_more() -> None:
    found = passes(matmul(), ROWS)
    assert found["calibrate"] == found["output errors"] == 1
    assert "channel statistics" not in found


@pytest.mark.parametrize("count", [24, 12])
def test_the_float_model_runs_once_on_each_sample_that_judges(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """For all steps and the proof; of few samples, also for the halves that judge each other."""
    seen = Counter[bytes]()

    def counted(self: Session, feeds: Mapping[str, AnyArray], outputs: Sequence[str] | None = None) -> list[AnyArray]:
        if any(self is one for one in floats):
            seen[feeds["x"].tobytes()] += 1
        return run(self, feeds, outputs)

    def opened(*given: object, **settings: object) -> Session:
        floats.append(open_session(*given, **settings))  # type: ignore[arg-type]  # whatever it takes
        return floats[-1]

    run, open_session, floats = Session.run, known_outputs.open_session, list[Session]()
    monkeypatch.setattr(Session, "run", counted)
    monkeypatch.setattr(known_outputs, "open_session", opened)
    result = edgeq.quantize(conv(), {"x": IMAGES[:count]}, recipe=MINMAX if count == 24 else None)
    assert len(result.report.steps) > 1
    assert len(floats) == (1 if count == 24 else 2)  # it is closed between the halves
    assert sorted(seen.values()) == [1] * (4 if count == 24 else count)


def test_halves_of_few_samples_are_observed_in_the_first_pass() -> None:
    told = Told()
    edgeq.quantize(conv("Sigmoid"), {"x": IMAGES[:12]}, prove=False, progress=told)
    assert told.count["judge ranges of a half"] == 4
    assert told.count["calibrate"] == 1
