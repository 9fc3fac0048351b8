"""Stepwise: each step continues after the last, holds what later steps need, and reads what it
needs.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.calibration import stepwise
from edgeq.calibration.stepwise import Stepwise
from edgeq.graph.liveness import part_bytes, part_of, peak_bytes
from edgeq.runtimes.ort import open_session
from tests.graph_text import net, weights

X = np.random.default_rng(0).normal(size=(1, 4, 5, 5)).astype(np.float32)
TEXT = """[one] a = Conv<pads = [1, 1, 1, 1]>(x, w) [two] b = Relu(a) [three] c = Conv<pads = [1, 1, 1, 1]>(b, w) [four] d = Add(c, a)
    [five] e = Mul(d, two) [six] y = Add(e, b)"""


def model() -> ir.Model:
    return net(TEXT, inputs="float[N, 4, 5, 5] x", constants={"w": weights(4, 4, 3, 3), "two": np.float32(2)})


def node(one: ir.Model, name: str) -> ir.Node:
    return next(found for found in one.graph if found.name == name)


def test_only_what_later_nodes_need_is_held() -> None:
    one = model()
    steps = Stepwise(one, [{"x": X}, {"x": 2 * X}])
    assert len(steps.advance(node(one, "one"))) == 2
    assert set(steps._alive) == {"a"}
    steps.advance(node(one, "three"))
    assert set(steps._alive) == {"a", "b", "c"}
    steps.advance(node(one, "five"))
    assert set(steps._alive) == {"b", "e"}


def test_a_value_that_is_held_for_a_node_stays_until_it_has_run() -> None:
    one = model()
    x, five = one.graph.inputs[0], node(one, "five")
    steps = Stepwise(one, [{"x": X}], {five: x})
    steps.advance(node(one, "four"))
    assert "x" in steps._alive
    steps.advance(five)
    assert set(steps._alive) == {"b", "e"}


def test_steps_give_what_the_whole_model_gives() -> None:
    one = model()
    with open_session(one, optimize="off") as session:
        wanted = session.run({"x": X})[0]
    steps = Stepwise(one, [{"x": X}])
    for name in ("one", "three", "four", "six"):
        (found,) = steps.advance(node(one, name))
    assert np.array_equal(found, wanted)


def test_a_part_is_a_model_of_its_own_nodes_and_constants() -> None:
    one = model()
    part = part_of(one, [node(one, "three"), node(one, "four")], ["b", "a"], ["d"])
    assert [found.name for found in part.graph] == ["three", "four"]
    assert [value.name for value in part.graph.inputs] == ["b", "a"]
    assert set(part.graph.initializers) == {"w"}
    assert [found.name for found in one.graph][:2] == ["one", "two"]


def test_the_peak_counts_what_nobody_reads_only_while_it_is_made() -> None:
    """x and both outputs of the Split while it runs, then one of them and the Relu's."""
    one = net(
        "p, q = Split<axis = 1>(x, s) y = Relu(p)", inputs="float[1, 8] x", outputs="float[1, 4] y", constants={"s": np.array([4, 4])}
    )
    for value in one.graph.node(0).outputs:
        value.shape, value.type = ir.Shape([1, 4]), ir.TensorType(ir.DataType.FLOAT)
    assert peak_bytes(one, frozenset()) == 4 * 16


def test_what_is_due_and_small_runs_at_once_and_gives_the_same() -> None:
    one = model()
    due = [node(one, name) for name in ("one", "three", "five", "six")]
    alone, ahead = Stepwise(one, [{"x": X}, {"x": -X}]), Stepwise(one, [{"x": X}, {"x": -X}], due=due)
    for place, each in enumerate(due):
        assert all(np.array_equal(a, b) for a, b in zip(alone.advance(each), ahead.advance(each), strict=True))
        assert list(ahead._ready) == due[place + 1 :]
    assert not ahead._alive


def test_what_is_due_waits_while_outputs_are_large() -> None:
    """Every output has 4 MiB; 16 MiB of the outputs of all samples may wait."""
    one = model()
    for value in (*one.graph.inputs, *(value for each in one.graph for value in each.outputs)):
        value.shape = ir.Shape([1, 4, 512, 512])
    due = [node(one, name) for name in ("one", "two", "three", "four", "five")]
    steps = Stepwise(one, [{"x": np.zeros((1, 4, 512, 512), np.float32)}] * 2, due=due)
    steps.advance(due[0])
    assert list(steps._ready) == due[1:2]


def test_a_part_as_bytes_computes_what_the_part_as_a_model_does() -> None:
    one = model()
    nodes, fed = [node(one, "three"), node(one, "four")], {"b": X, "a": -X}
    data = part_bytes(one, nodes, fed, ["d"], 1 << 20)
    assert data is not None
    with open_session(part_of(one, nodes, ["b", "a"], ["d"]), optimize="off") as slow, open_session(data, optimize="off") as fast:
        assert np.array_equal(slow.run(fed)[0], fast.run(fed)[0])
    assert len(data) < 4 * 4 * 9 * 4 + 400  # the constants of other nodes stay out


def test_a_part_with_many_constants_is_not_copied_into_bytes() -> None:
    one = model()
    assert part_bytes(one, [node(one, "three")], {"b": X}, ["c"], 4 * 4 * 9 * 4 - 1) is None


def test_a_part_reads_what_bodies_of_its_nodes_capture() -> None:
    one = net(
        "one = Identity(x) y = If<then_branch = t () => (float[N] u) { u = Add(one, two) }, "
        "else_branch = e () => (float[N] v) { v = Neg(one) }>(c)",
        inputs="float[N] x, bool c",
        outputs="float[N] y",
        constants={"two": np.float32(2)},
    )
    steps = Stepwise(one, [{"x": X.reshape(-1), "c": np.asarray(True)}])
    (found,) = steps.advance(one.graph.node(1))
    assert np.array_equal(found, X.reshape(-1) + 2)


def quantized_layers() -> ir.Model:
    """Two layers with int8 weights; both read the second weight, which stays alive in between."""
    rng = np.random.default_rng(1)
    return net(
        "v = DequantizeLinear<axis = 0>(q, s) [one] a = Conv<pads = [1, 1, 1, 1]>(x, v) w = DequantizeLinear(p, t) "
        "[two] b = Conv<pads = [1, 1, 1, 1]>(a, w) [three] c = Conv<pads = [1, 1, 1, 1]>(b, w) [four] y = Relu(c)",
        inputs="float[N, 4, 5, 5] x",
        constants={
            "q": rng.integers(-127, 128, (4, 4, 3, 3), np.int8),
            "s": np.array([0.01, 0.02, 0.03, 0.04], np.float32),
            "p": rng.integers(-127, 128, (4, 4, 3, 3), np.int8),
            "t": np.float32(0.015),
        },
    )


def test_weights_are_dequantized_once_for_all_samples_with_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = Counter[str]()

    def counted(part: bytes, **how: Any) -> Any:
        operators = [each.op_type for each in onnx.load_from_string(part).graph.node]
        opened = open_session(part, **how)
        run = opened.run

        def counting(*given: Any) -> Any:
            ran.update(operators)
            return run(*given)

        object.__setattr__(opened, "run", counting)
        return opened

    one, samples = quantized_layers(), [{"x": X}, {"x": 2 * X}, {"x": -X}]
    with open_session(one, optimize="off") as session:
        wanted = [session.run(feeds)[0] for feeds in samples]
    monkeypatch.setattr(stepwise, "open_session", counted)
    steps = Stepwise(one, samples)
    steps.advance(node(one, "one"))
    assert ran == {"DequantizeLinear": 1, "Conv": 3}
    for name in ("two", "three", "four"):  # the second weight is alive after its first reader: it comes with every sample
        found = steps.advance(node(one, name))
    assert all(np.array_equal(mine, theirs) for mine, theirs in zip(found, wanted, strict=True))


def test_what_a_sample_makes_is_dequantized_for_each_sample() -> None:
    one = net(
        "q = QuantizeLinear(x, s, z) [one] d = DequantizeLinear(q, s, z) [two] y = Relu(d)",
        inputs="float[N, 4, 5, 5] x",
        constants={"s": np.float32(0.1), "z": np.array(7, np.uint8)},
    )
    steps = Stepwise(one, [{"x": X}, {"x": -X}])
    first, second = steps.advance(node(one, "two"))
    assert not np.array_equal(first, second)
