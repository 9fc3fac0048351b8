"""End to end on models with bodies: what lies in an If, Loop or Scan really runs on integer
kernels, and computes the right numbers.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.api import Quantized, quantize
from edgeq.graph.read import nodes
from edgeq.numerics.arrays import AnyArray
from edgeq.proof.proof import prove_placement
from edgeq.runtimes.ort import open_session
from edgeq.schema.recipe import Recipe
from tests.graph_text import net, weights

W = {"w": weights(8, 8, 3, 3), "v": weights(8, 8, 3, 3, seed=1), "b": weights(8)}
PADDED = "Conv<pads = [1, 1, 1, 1]>"
X = np.random.default_rng(4).normal(size=(6, 1, 8, 12, 12)).astype(np.float32)
Feeds = dict[str, AnyArray]

BRANCHES = f"""[c0] a = {PADDED}(x, w, b) y = If (go) <
    then_branch = t () => (float[1, 8, 12, 12] tv) {{
        [c1] t1 = {PADDED}(x, w, b) [r1] t2 = Relu(t1) [c2] t3 = {PADDED}(t2, v, b) [add] t4 = Add(t3, t2) [c3] tv = {PADDED}(t4, v) }},
    else_branch = e () => (float[1, 8, 12, 12] ev) {{ [c4] e1 = {PADDED}(a, v) [c5] ev = {PADDED}(e1, w) }}>"""
DEEP = f"""y = If (go) < then_branch = t () => (float[1, 8, 12, 12] tv) {{
        [m] tm = Exp(x)
        tv = If (deep) < then_branch = tt () => (float[1, 8, 12, 12] ttv) {{
                [c1] u1 = {PADDED}(tm, w, b) [c2] u2 = {PADDED}(u1, v, b) [c3] ttv = {PADDED}(u2, v) }},
            else_branch = te () => (float[1, 8, 12, 12] tev) {{ tev = Neg(tm) }}> }},
    else_branch = e () => (float[1, 8, 12, 12] ev) {{ ev = Neg(x) }}>"""
LOOP = f"""y = Loop (n, , x) <body = l (int64 i, bool c, float[1, 8, 12, 12] p) => (bool c2, float[1, 8, 12, 12] q) {{
    c2 = Identity(c) [c1] l1 = {PADDED}(p, w, b) [r1] l2 = Relu(l1) [c2n] q = {PADDED}(l2, v, b) }}>"""


def model_of(text: str, inputs: str) -> ir.Model:
    constants: dict[str, AnyArray] = {**W}
    if "Loop" in text:
        constants["n"] = np.array(2, np.int64)
    return net(text, inputs=f"float[1, 8, 12, 12] x{inputs}", outputs="float[1, 8, 12, 12] y", constants=constants)


def made(model: ir.Model, **flags: list[bool]) -> Quantized:
    feeds: Feeds = {"x": X, **{name: np.array(values) for name, values in flags.items()}}
    return quantize(model, feeds, prove=False)


def kernels(model: ir.Model, done: Quantized) -> dict[str, str]:
    return {node.name: node.runs_as for node in prove_placement(done.model, model).nodes if node.op_type in ("Conv", "Add")}


def close(model: ir.Model, done: Quantized, **flags: bool) -> float:
    """SQNR in dB on one sample, with integer kernels."""
    feeds: Feeds = {"x": X[0], **{name: np.array(value) for name, value in flags.items()}}
    with open_session(model) as exact, open_session(done.model) as integer:
        wanted, found = exact.run(feeds)[0], integer.run(feeds)[0]
    return float(10 * np.log10(np.square(wanted).sum() / max(np.square(wanted - found).sum(), 1e-30)))


def test_branches_run_on_integer_kernels() -> None:
    model = model_of(BRANCHES, ", bool go")
    done = made(model, go=[True, False] * 3)
    onnx.checker.check_model(ir.to_proto(done.model), full_check=True)
    found = kernels(model, done)
    assert {name: found[name] for name in ("c0", "c2", "add", "c3", "c5")} == dict.fromkeys(("c0", "c2", "add", "c3", "c5"), "int8")
    reasons = {node.name: node.reason for node in prove_placement(done.model, model).nodes}
    # what reads a value from around the body gets it as float
    assert all("graph around this body" in reasons[name] for name in ("c1", "c4"))
    assert close(model, done, go=True) > 30
    assert close(model, done, go=False) > 30


def test_a_branch_that_the_data_never_takes_stays_float_and_says_so() -> None:
    model = model_of(BRANCHES, ", bool go")
    done = made(model, go=[False] * 6)
    place = {name: node for name, node in done.plan.nodes.items() if node.op_type == "Conv"}
    assert (place["c2"].runs, place["c5"].runs) == ("float", "int8")
    assert "not seen with this data" in place["c2"].reason
    assert close(model, done, go=True) > 100


def test_branches_in_branches() -> None:
    model = model_of(DEEP, ", bool go, bool deep")
    done = made(model, go=[True] * 6, deep=[True] * 5 + [False])
    found = kernels(model, done)
    assert (found["c2"], found["c3"]) == ("int8", "int8")
    assert close(model, done, go=True, deep=True) > 30


def test_loops_run_on_integer_kernels_in_every_iteration() -> None:
    model = model_of(LOOP, "")
    done = made(model)
    assert set(kernels(model, done).values()) == {"int8"}
    assert close(model, done) > 25


def test_a_scan_runs_on_integer_kernels() -> None:
    text = """s, y = Scan <num_scan_inputs = 1, scan_output_axes = [0], body = b (float[8, 64] state, float[8, 64] row)
        => (float[8, 64] next, float[8, 64] out) { next = Add(row, state) [m1] p = MatMul(next, w) [m2] o = MatMul(p, v) out = Tanh(o) }>
        (z, x)"""
    constants = {"w": weights(64, 64), "v": weights(64, 64, seed=1), "z": np.zeros((8, 64))}
    model = net(text, inputs="float[3, 8, 64] x", outputs="float[8, 64] s, float[3, 8, 64] y", constants=constants)
    x = np.random.default_rng(8).normal(size=(5, 3, 8, 64)).astype(np.float32)
    done = quantize(model, {"x": x}, prove=False)
    places = {node.name: node.runs_as for node in prove_placement(done.model, model).nodes if node.op_type == "MatMul"}
    assert places == {"m1": "int8", "m2": "int8"}
    with open_session(model) as exact, open_session(done.model) as integer:
        wanted, found = exact.run({"x": x[0]}), integer.run({"x": x[0]})
    ratios = [np.square(a - b).sum() / np.square(a).sum() for a, b in zip(wanted, found, strict=True)]
    assert max(ratios) < 10**-2.5


@pytest.mark.parametrize("effort", ["fast", "default"])
def test_the_interface_and_the_record_hold_in_bodies(effort: str) -> None:
    model = model_of(BRANCHES, ", bool go")
    recipe = Recipe.model_validate({"effort": effort})
    done = quantize(model, {"x": X, "go": np.array([True, False] * 3)}, recipe=recipe, prove=False)
    assert [(v.name, v.dtype) for v in done.model.graph.inputs] == [("x", ir.DataType.FLOAT), ("go", ir.DataType.BOOL)]
    assert [(v.name, v.dtype) for v in done.model.graph.outputs] == [("y", ir.DataType.FLOAT)]
    assert {node.name for node in nodes(model)} == set(done.plan.nodes)
