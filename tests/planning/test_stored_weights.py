"""Large constants of float kernels are stored in 8 bits, at the default effort, on targets with
floats.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.numerics.arrays import F32
from edgeq.planning.placement import NodePlace
from edgeq.planning.stored_weights import stored_weights
from edgeq.runtimes.ort import open_session
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import load_target
from edgeq.schema.weights import weight_key
from tests.graph_text import net, weights


def recurrent(kind: str, gates: int) -> ir.Model:
    body = f"a, h = {kind}<hidden_size = 32>(x, w, r)  s = Squeeze(a, one)  y = MatMul(s, v)"
    constants = {"w": weights(1, gates * 32, 48), "r": weights(1, gates * 32, 32, seed=1), "one": np.array([1]), "v": weights(32, 4)}
    return net(body, inputs="float[10, 1, 48] x", constants=constants)


def transposed() -> ir.Model:
    return net("y = ConvTranspose<strides = [2, 2]>(x, w)", inputs="float[1, 32, 6, 6] x", constants={"w": weights(32, 32, 3, 3)})


def position_table() -> ir.Model:
    body = "s = Shape(x)  n = Slice(s, one, two)  p = Slice(t, zero, n, one)  a = MatMul(x, w)  b = Add(a, p)  y = MatMul(b, w)"
    numbers = {"zero": np.array([0]), "one": np.array([1]), "two": np.array([2])}
    return net(body, inputs="float[1, L, 32] x", constants={"t": weights(1, 512, 32) * 16, "w": weights(32, 32), **numbers})


def columns() -> ir.Model:
    """A table that is looked up along its second axis, which is no embedding."""
    return net(
        "p = Gather<axis = 1>(t, i)  m = MatMul(x, w)  y = Add(m, p)",
        inputs="float[4, 32] x, int64[32] i",
        constants={"t": weights(4, 2048), "w": weights(32, 32)},
    )


def feeds(model: ir.Model) -> dict[str, F32]:
    rng, found = np.random.default_rng(0), {}
    for value in model.graph.inputs:
        shape = [8, *(size if isinstance(size, int) else 12 for size in value.shape or ())]
        found[str(value.name)] = (
            rng.integers(0, 2048, shape) if value.dtype == ir.DataType.INT64 else rng.normal(size=shape).astype(np.float32)
        )
    return found


def size(model: ir.Model) -> int:
    return len(ir.to_proto(model).SerializeToString())


@pytest.mark.parametrize(
    "make",
    [lambda: recurrent("LSTM", 4), lambda: recurrent("GRU", 3), lambda: recurrent("RNN", 1), transposed, position_table, columns],
    ids=["lstm", "gru", "rnn", "transposed", "positions", "columns"],
)
def test_the_file_is_less_than_half_and_the_numbers_stay(make: Callable[[], ir.Model]) -> None:
    model = make()
    data = feeds(model)
    made = quantize(model, data).model
    assert size(made) < 0.45 * size(model)
    one = {name: array[0] for name, array in data.items()}
    with open_session(model) as first, open_session(made) as second:
        wanted, found = first.run(one)[0], second.run(one)[0]
    noise = float(np.mean((wanted - found) ** 2) / np.mean(wanted**2))
    assert 10 * np.log10(1 / noise) > 30


def test_weights_of_layers_that_the_user_keeps_float_stay_floats() -> None:
    model = transposed()
    made = quantize(model, feeds(model), recipe=Recipe(keep_float=("ConvTranspose",)), prove=False)
    assert made.plan.stored == {}
    assert any(value.const_value is not None and value.const_value.size == 32 * 32 * 9 for value in made.model.graph.initializers.values())


def test_a_constant_that_8_bits_would_spoil_stays_floats() -> None:
    """No axis separates its many small values from the few large ones that hold half the energy."""
    model = columns()
    spoilt = np.random.default_rng(1).normal(size=(4, 2048)).astype(np.float32)
    spoilt[:, ::32] *= np.float32(150)
    spoilt[:, 1::32] *= np.float32(20)
    model.graph.initializers["t"].const_value = ir.tensor(spoilt, name="t")
    assert quantize(model, feeds(model), prove=False).plan.stored == {}


def test_a_constant_that_another_node_needs_in_float_is_not_stored_twice() -> None:
    model = net(
        "p = Slice(t, zero, one, zero)  m = MatMul(x, w)  a = Add(m, p)  y = Where(c, t, a)",
        inputs="float[64, 64] x, bool[64, 64] c",
        constants={"t": weights(64, 64), "w": weights(64, 64), "zero": np.array([0]), "one": np.array([1])},
    )
    data = {"x": np.random.default_rng(0).normal(size=(8, 64, 64)).astype(np.float32), "c": np.ones((8, 64, 64), bool)}
    made = quantize(model, data, recipe=Recipe(keep_float=("Where",)), prove=False)
    assert not any(key.startswith("Slice") for key in made.plan.stored)


@pytest.mark.parametrize(("rows", "stored"), [(31, False), (32, True)])
def test_a_table_is_stored_from_the_size_of_tables_on(rows: int, stored: bool) -> None:
    """A weight of a recurrent layer is stored from a quarter of that size on."""
    found = net("y = Gather<axis = 1>(t, i)", inputs="int64[32] i", constants={"t": weights(rows, 128)})
    made = quantize(found, {"i": np.zeros((8, 32), np.int64)}, prove=False, data_doubts="accept")
    assert bool(made.plan.stored) is stored


def test_targets_of_integers_store_nothing_apart() -> None:
    model = net("y = Conv(x, w)", inputs="float[1, 32, 6, 6] x", constants={"w": weights(32, 32, 3, 3)})
    assert quantize(model, feeds(model), target="npu_int8", prove=False).plan.stored == {}


def operand(layer_follows: bool) -> ir.Model:
    """A table of 128 x 64 numbers that is added behind the last layer, or before it."""
    body = "a = MatMul(x, w)  b = Mul(a, t)  y = " + ("MatMul(b, w)" if layer_follows else "Neg(b)")
    return net(body, inputs="float[1, 128, 64] x", constants={"t": weights(128, 64) * 16, "w": weights(64, 64)})


@pytest.mark.parametrize("layer_follows", [False, True])
def test_what_decodes_the_outputs_behind_the_last_layer_stays_float(layer_follows: bool) -> None:
    model = operand(layer_follows)
    places = {str(node.name): NodePlace(node.op_type, "float", "obstacle", "no kernel") for node in model.graph}
    others = {weight_key(node.name, 1) for node in model.graph if node.op_type == "MatMul"}
    found = stored_weights(model, places, others, load_target("cpu"))
    table = next(node for node in model.graph if node.op_type == "Mul")
    assert (weight_key(table.name, 1) in found) is layer_follows
