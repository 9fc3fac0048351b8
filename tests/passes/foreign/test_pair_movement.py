"""PairMovement: movement and selection get a grid on both sides, and no number changes."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.numerics.arrays import AnyArray
from edgeq.passes.foreign.pair_movement import PairMovement
from edgeq.runtimes.ort import open_session
from edgeq.testing import check_pass
from tests.graph_text import lines, net

GRIDS = {"s": np.float32(0.05), "z": np.uint8(100), "t": np.float32(0.08), "u": np.uint8(90)}
IN = "q = QuantizeLinear(x, s, z)  f = DequantizeLinear(q, s, z) "
IMAGE = "float[1, 4, 8, 8] x"
EXTRA = {
    "d": np.array([1, -1]), "p": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "a": np.array([2]), "b": np.array([0]), "e": np.array([6]),
    "v": np.float32(0.05 * 3),
}  # fmt: skip


def model(body: str, inputs: str = IMAGE, outputs: str = "float y") -> ir.Model:
    known = {**GRIDS, **EXTRA}
    words = set(body.replace("(", " ").replace(")", " ").replace(",", " ").split())
    return net(body, inputs=inputs, outputs=outputs, constants={name: array for name, array in known.items() if name in words})


def ops(found: ir.Model) -> str:
    short = {"QuantizeLinear": "Q", "DequantizeLinear": "D"}
    return " ".join(short.get(node.op_type, node.op_type) for node in found.graph)


@pytest.mark.parametrize(
    "move",
    ["Reshape(f, d)", "Flatten(f)", "Transpose<perm = [0, 2, 3, 1]>(f)", "MaxPool<kernel_shape = [2, 2]>(f)", "Slice(f, b, e, a)",
     "Relu(f)", "GlobalMaxPool(f)", "Pad(f, p)", "Pad(f, p, v)", "Concat<axis = 1>(f, f)"],
)  # fmt: skip
def test_what_is_handed_on_is_on_the_grid_of_the_input(move: str) -> None:
    after = check_pass(PairMovement(), model(f"{IN} y = {move}"), tolerance=0.0)
    op_type = move.split("(")[0].split("<")[0]
    assert ops(after) == f"Q D {op_type} Q D"


def test_a_chain_is_paired_in_one_run() -> None:
    after = check_pass(PairMovement(), model(f"{IN} m = MaxPool<kernel_shape = [2, 2]>(f)  r = Relu(m)  y = Flatten(r)"), tolerance=0.0)
    assert ops(after) == "Q D MaxPool Q D Relu Q D Flatten Q D"


def test_codes_are_requantized_behind_what_only_copies() -> None:
    after = check_pass(
        PairMovement(), model(f"{IN} m = Flatten(f)  h = QuantizeLinear(m, t, u)  y = DequantizeLinear(h, t, u)"), tolerance=0.0
    )
    assert ops(after) == "Q D Flatten Q D Q D"


@pytest.mark.parametrize("move", ["Reshape(x, d)", "Transpose<perm = [0, 2, 3, 1]>(x)", "MaxPool<kernel_shape = [2, 2]>(x)", "Relu(x)"])
def test_an_input_is_quantized_before_what_only_moves_it(move: str) -> None:
    after = check_pass(PairMovement(), model(f"m = {move}  h = QuantizeLinear(m, t, u)  y = DequantizeLinear(h, t, u)"), tolerance=0.0)
    assert ops(after) == f"Q D {move.split('(')[0].split('<')[0]} Q D"


def test_every_part_of_a_concat_is_quantized_before_it() -> None:
    body = "a = Sigmoid(x)  b = Tanh(x)  c = Concat<axis = 1>(a, b, x)  h = QuantizeLinear(c, t, u)  y = DequantizeLinear(h, t, u)"
    found = net(body, inputs=IMAGE, constants={"t": GRIDS["t"], "u": GRIDS["u"]})
    after = check_pass(PairMovement(), found, tolerance=0.0)
    assert (
        sum(line.startswith("a_pair_codes") or line.startswith("b_pair_codes") or line.startswith("x_pair_codes") for line in lines(after))
        == 3
    )


@pytest.mark.parametrize(
    "body",
    [
        f"{IN} y = Sigmoid(f)",
        f"{IN} p2 = Mul(x, x)  y = Concat<axis = 1>(f, p2)",
        f"{IN} m = Flatten(f)  h = QuantizeLinear(m, s, z)  y = DequantizeLinear(h, s, z)",
        "m = Flatten(x)  y = Sigmoid(m)",
    ],
    ids=["computes", "float part", "paired", "no grid"],
)
def test_other_nodes_stay(body: str) -> None:
    assert not PairMovement()(model(body)).modified


def test_a_fill_between_two_codes_is_left_alone() -> None:
    assert not PairMovement()(
        net(f"{IN} y = Pad(f, p, v)", inputs=IMAGE, constants={**_some("s", "z", "p"), "v": np.float32(0.07)})
    ).modified


def _some(*names: str) -> dict[str, AnyArray]:
    return {name: np.asarray({**GRIDS, **EXTRA}[name]) for name in names}


def test_halves_are_rounded_alike_before_and_behind_a_pool() -> None:
    """Rounding keeps the order, so that the largest number has the largest code."""
    found = model("m = MaxPool<kernel_shape = [2, 2]>(x)  h = QuantizeLinear(m, t, u)  y = DequantizeLinear(h, t, u)")
    feeds = {"x": (np.arange(256, dtype=np.float32).reshape(1, 4, 8, 8) - 128) * np.float32(0.04)}
    with open_session(found, optimize="off") as session:
        (wanted,) = session.run(feeds)
    PairMovement()(found)
    with open_session(found, optimize="off") as session:
        np.testing.assert_array_equal(session.run(feeds)[0], wanted)
