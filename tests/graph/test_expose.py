"""expose: inner values as outputs, out of bodies two deep, with the numbers that onnxruntime
computes there.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeq.graph.expose import expose
from edgeq.numerics.arrays import AnyArray
from edgeq.runtimes.ort import open_session
from tests.graph_text import lines, net

NESTED = """a = Relu(x) y = If (outer) <
    then_branch = t () => (float[2] tv) {
        b = Add(a, one)
        tv = If (inner) <
            then_branch = tt () => (float[2] ttv) { c = Mul(b, two)  ttv = Neg(c) },
            else_branch = te () => (float[2] tev) { d = Sub(b, one)  tev = Neg(d) }> },
    else_branch = e () => (float[2] ev) { f = Exp(a)  ev = Neg(f) }>"""
X = np.array([-1, 2], np.float32)


def nested() -> ir.Model:
    return net(NESTED, inputs="float[2] x, bool outer, bool inner", outputs="float[2] y", constants={"one": 1.0, "two": 2.0})


def run(model: ir.Model, wanted: set[str], feeds: dict[str, AnyArray]) -> dict[str, AnyArray]:
    exposed, outputs = expose(model, wanted)
    with open_session(exposed, threads=1) as session:
        return dict(zip(outputs, session.run(feeds, list(outputs.values())), strict=True))


def seen(outer: bool, inner: bool) -> dict[str, list[float]]:
    found = run(nested(), {"a", "b", "c", "d", "f", "x"}, {"x": X, "outer": np.array(outer), "inner": np.array(inner)})
    return {name: array.tolist() for name, array in found.items()}


def test_branches_two_deep_hand_out_what_was_computed_and_nothing_else() -> None:
    a, b = [0.0, 2.0], [1.0, 3.0]
    assert seen(True, True) == {"a": a, "b": b, "c": [2.0, 6.0], "d": [], "f": []}
    assert seen(True, False) == {"a": a, "b": b, "c": [], "d": [0.0, 2.0], "f": []}
    found = seen(False, True)
    assert {name: found[name] for name in "abcd"} == {"a": a, "b": [], "c": [], "d": []}
    np.testing.assert_allclose(found["f"], np.exp(a), rtol=1e-6)


def test_the_model_itself_stays_as_it_was() -> None:
    model = nested()
    before = ir.to_proto(model).SerializeToString(deterministic=True)
    expose(model, {"a", "b", "c"})
    assert ir.to_proto(model).SerializeToString(deterministic=True) == before


def test_an_output_of_the_model_is_exposed_once_and_inputs_are_left_out() -> None:
    exposed, outputs = expose(nested(), {"y", "x"})
    assert outputs == {"y": "y"}
    assert [value.name for value in exposed.graph.outputs] == ["y"]


LOOP = """s, each = Loop (n, , x) <body = b (int64 i, bool c, float[2] p) => (bool c2, float[2] q, float[2] out) {
    c2 = Identity(c)  q = Add(p, p)  out = Neg(q)  k = Exp(out) }>  y = Neg(s)"""


def loop(body: str = LOOP) -> ir.Model:
    return net(body, inputs="float[2] x", outputs="float[2] y, float[3, 2] each", constants={"n": np.int64(3), "five": 5.0})


def test_a_loop_hands_out_every_iteration_of_values_and_of_its_own_inputs() -> None:
    found = run(loop(), {"q", "p", "k", "s"}, {"x": X})
    assert found["p"].tolist() == [[-1, 2], [-2, 4], [-4, 8]]
    assert found["q"].tolist() == [[-2, 4], [-4, 8], [-8, 16]]
    np.testing.assert_allclose(found["k"], np.exp(-found["q"].astype(np.float64)), rtol=1e-6)
    assert found["s"].tolist() == [-8, 16]


def test_a_scan_with_axes_and_directions_of_its_own() -> None:
    body = """s, y = Scan <num_scan_inputs = 1, scan_output_axes = [1], scan_output_directions = [1],
        body = b (float[2] state, float[2] row) => (float[2] next, float[2] out) { next = Add(state, row)  out = Mul(next, next) }>(z, x)"""
    model = net(body, inputs="float[3, 2] x", outputs="float[2] s, float[2, 3] y", constants={"z": np.zeros(2)})
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    found = run(model, {"next", "row", "y"}, {"x": x})
    assert found["row"].tolist() == x.tolist()
    assert found["next"].tolist() == np.cumsum(x, 0).tolist()
    assert found["y"].tolist() == (np.cumsum(x, 0) ** 2).T[:, ::-1].tolist()


def test_what_cannot_be_stacked_is_left_out() -> None:
    """A branch inside a loop may be taken in one iteration and not in the next; a state may
    grow.
    """
    branch = """s, each = Loop (n, , x) <body = b (int64 i, bool c, float[2] p) => (bool c2, float[2] q, float[2] out) {
        c2 = Identity(c)  first = Equal(i, zero)
        q = If (first) < then_branch = t () => (float[2] tv) { u = Exp(p)  tv = Neg(u) },
                         else_branch = e () => (float[2] ev) { ev = Neg(p) } >
        out = Neg(q) }>  y = Neg(s)"""
    model = net(branch, inputs="float[2] x", outputs="float[2] y, float[3, 2] each", constants={"n": np.int64(3), "zero": np.int64(0)})
    assert set(run(model, {"u", "tv", "q", "out"}, {"x": X})) == {"q", "out"}
    growing = """s = Loop (n, , x) <body = b (int64 i, bool c, float[G] p) => (bool c2, float[H] q) {
        c2 = Identity(c)  q = Concat<axis = 0>(p, p) }>  y = Neg(s)"""
    model = net(growing, inputs="float[K] x", outputs="float[M] y", constants={"n": np.int64(3)})
    assert set(run(model, {"p", "q", "y"}, {"x": X})) == {"y"}


def test_a_loop_in_a_branch_is_exposed() -> None:
    text = f"""y = If (go) < then_branch = t () => (float[2] tv) {{ {LOOP.replace("y = Neg(s)", "tv = Neg(s)")} }},
        else_branch = e () => (float[2] ev) {{ ev = Neg(x) }} >"""
    model = net(text, inputs="float[2] x, bool go", outputs="float[2] y", constants={"n": np.int64(3)})
    assert run(model, {"q"}, {"x": X, "go": np.array(True)})["q"].shape == (3, 2)
    assert run(model, {"q"}, {"x": X, "go": np.array(False)})["q"].size == 0


def test_new_names_are_free() -> None:
    model = net("seen = Relu(x) y = Neg(seen)", inputs="float[2] x", outputs="float[2] y")
    exposed, outputs = expose(model, {"seen"})
    assert outputs == {"seen": "seen"}
    assert lines(exposed) == ["seen = Relu(x)", "y = Neg(seen)"]
