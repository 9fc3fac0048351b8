"""Placement by the costs of machines: integers only where no column is slower with them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.planning.cost.price import Prices
from edgeq.planning.cost.work import Work, conversion, work_of
from edgeq.planning.placement import Placement, place
from edgeq.proof.proof import prove_placement
from edgeq.schema.cost import INTEGERS, Column, Costs, Figures, KernelCost, PlacementWish
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target, load_target
from tests.graph_text import Constants, net, weights

SPEED = PlacementWish(prefer="speed")
W = {"w": weights(8, 8, 3, 3), "v": weights(8, 8, 3, 3, seed=1), "p": weights(8, 8, 1, 1)}
PADDED = "pads = [1, 1, 1, 1]"
THREE = f"[c1] a = Conv<{PADDED}>(x, w) [r1] b = Relu(a) [c2] c = Conv<{PADDED}>(b, v) [c3] y = Conv(c, p)"


def kernel(integer_call: float, float_call: float, integer_place: float = 0.0, float_place: float = 0.0) -> KernelCost:
    return KernelCost(integer=Figures(call=integer_call, place=integer_place), float=Figures(call=float_call, place=float_place))


def machine(dense: KernelCost, pointwise: KernelCost | None = None, conversion: float = 1000.0, **others: KernelCost) -> Column:
    """A machine of these costs; a conversion takes the same for any value."""
    free = kernel(conversion, conversion)
    kinds = {"Conv.dense": dense, "Conv.pointwise": pointwise or dense, "QuantizeLinear": free, "DequantizeLinear": free, **others}
    return Column(machine="made up", kinds=kinds, source="a test")


def cpu(**columns: Column) -> Target:
    return load_target("cpu").with_cost(Costs(columns=columns))


def placed(target: Target, body: str = THREE, wish: PlacementWish = SPEED, constants: Constants | None = None, **shape: str) -> Placement:
    return place(net(body, constants={**W, **(constants or {})}, **shape), target, wish=wish)


def runs(placement: Placement) -> dict[str, str]:
    return {name: node.runs for name, node in placement.nodes.items()}


FAST, SLOW = machine(kernel(1_000, 9_000)), machine(kernel(9_000, 1_000))
ALL_INTEGER = {"c1": "int8", "r1": "absorbed", "c2": "int8", "c3": "int8"}


def test_what_no_machine_computes_slower_is_integer() -> None:
    assert runs(placed(cpu(one=FAST, two=FAST))) == ALL_INTEGER


@pytest.mark.parametrize("columns", [{"fast": FAST, "slow": SLOW}, {"a": SLOW, "b": FAST}])
def test_the_worst_machine_decides_whatever_their_order(columns: Mapping[str, Column]) -> None:
    found = placed(cpu(**columns))
    assert set(runs(found).values()) == {"float"}
    slow = next(name for name, column in columns.items() if column is SLOW)
    first = found.nodes["c1"]
    assert first.because == "slower" and first.slower is not None
    assert (first.slower.column, first.slower.integer_us, first.slower.float_us) == (slow, 9.0, 1.0)
    assert first.slower.told == "9 us against 1 us"
    assert first.reason == f"float here: integer kernels are slower on {slow}"


def test_integers_may_be_preferred_all_the_same() -> None:
    assert runs(placed(cpu(slow=SLOW), wish=INTEGERS)) == ALL_INTEGER


def test_a_part_is_weighed_with_its_conversions() -> None:
    """Each node gains 3 us: three pay for two conversions of 3 us, one does not."""
    target = cpu(one=machine(kernel(1_000, 4_000), conversion=1_200.0))
    assert runs(placed(target)) == ALL_INTEGER
    alone = placed(target, "[c3] y = Conv(x, p)")
    assert runs(alone) == {"c3": "float"}
    assert "with the conversions and nodes around it" in alone.nodes["c3"].reason


def test_machines_that_object_to_different_nodes_leave_what_pays_for_all() -> None:
    """One keeps the first layer float, the other the last: what is between pays for neither."""
    slow_first = machine(kernel(18_000, 2_000), kernel(2_000, 10_500))
    slow_last = machine(kernel(2_000, 7_000), kernel(18_000, 2_000))
    assert runs(placed(cpu(a=slow_first)))["c3"] == "int8"
    assert runs(placed(cpu(b=slow_last)))["c1"] == "int8"
    assert set(runs(placed(cpu(a=slow_first, b=slow_last))).values()) == {"float"}


@pytest.mark.parametrize(("loss", "wanted"), [(1.01, "int8"), (1.05, "float")])
def test_a_loss_that_a_column_is_not_sure_of_is_none(loss: float, wanted: str) -> None:
    """One machine gains much, the other loses a little: within 2 % of the float time, it counts for
    nothing.
    """
    slow = machine(kernel(400_000 * loss, 400_000), conversion=0.0)
    assert runs(placed(cpu(fast=FAST, slow=slow)))["c2"] == wanted


@pytest.mark.parametrize(("asked", "wanted"), [(0.0, "int8"), (0.2, "float")])
def test_a_column_says_what_a_part_must_gain(asked: float, wanted: str) -> None:
    fast = machine(kernel(360_000, 400_000), conversion=0.0)
    column = Column(machine=fast.machine, kinds=fast.kinds, least_gain=asked, source="measured")
    assert runs(placed(cpu(one=column)))["c2"] == wanted


def test_a_column_says_how_sure_it_is() -> None:
    slow = machine(kernel(105_000, 100_000), conversion=0.0)
    derived = Column(machine=slow.machine, kinds=slow.kinds, uncertain=0.1, source="derived")
    assert runs(placed(cpu(fast=FAST, slow=derived))) == ALL_INTEGER


def test_a_conversion_costs_a_call_of_the_target_at_least() -> None:
    """Chains of a few kernels call them for less than a network of hundreds of nodes does."""
    target = cpu(one=machine(kernel(1_000, 2_000), conversion=1.0))
    assert target.boundary.call_ns == 1_500
    assert set(runs(placed(target, "[c1] y = Conv(x, w)")).values()) == {"float"}


def test_operands_in_stretches_cost_by_the_stretch_whatever_is_computed() -> None:
    """An Add of one number to [20, 30, 1] works on 600 stretches of one, as a Mul does."""
    column = machine(kernel(0, 0), Add=kernel(0, 0), **{"Mul.spread": kernel(0, 0, 50.0, 1.0)})
    (node,) = net("y = Add(x, one)", inputs="float[1, 20, 30, 1] x", constants={"one": weights(1)}).graph
    found = Prices(cpu(one=column), "one", column).times(node)
    assert (found.integer, found.float) == (600 * 50.0, 600 * 1.0)


def test_a_clamp_costs_nothing_behind_a_float_layer() -> None:
    """Else the Relu, dear as a kernel of its own, would pull the layer before it into integers."""
    dear = kernel(0.0, 50_000)
    assert set(runs(placed(cpu(one=machine(kernel(9_000, 1_000), Relu=dear)))).values()) == {"float"}


POOL = "b = MaxPool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(a)"


@pytest.mark.parametrize("before", ["[e] a = Erf(x)", "[e] a = Conv<group = 8, pads = [1, 1, 1, 1]>(x, d)"])
def test_a_pool_behind_floats_is_not_taken_for_one_behind_codes(before: str) -> None:
    """Its kernel on codes takes 4 ns an element there (8 us of 2,048), which the layer behind it
    does not gain; kept in floats it costs a Mul of the same size.
    """
    body, constants = f"{before} [m] {POOL} [c2] y = Conv<pads = [1, 1, 1, 1]>(b, v)", {"d": weights(8, 1, 3, 3)}
    cheap = {"MaxPool": kernel(1_000, 1_000), "Conv.depthwise": kernel(9_000, 1_000), "Mul": kernel(500, 500)}
    found = placed(cpu(one=machine(kernel(1_000, 10_000), **cheap)), body, constants=constants)
    assert runs(found) == {"e": "float", "m": "float", "c2": "int8"}
    dear = {**cheap, "Mul": kernel(9_000, 9_000)}
    assert set(runs(placed(cpu(one=machine(kernel(1_000, 10_000), **dear)), body, constants=constants)).values()) == {"float"}


def test_a_pool_behind_a_layer_in_integers_is_one_behind_codes() -> None:
    cheap = {"MaxPool": kernel(1_000, 1_000), "Mul": kernel(500, 500)}
    body = f"[c1] a = Conv<pads = [1, 1, 1, 1]>(x, w) [m] {POOL} [c2] y = Conv<pads = [1, 1, 1, 1]>(b, v)"
    assert runs(placed(cpu(one=machine(kernel(1_000, 8_000), **cheap)), body)) == {"c1": "int8", "m": "integer", "c2": "int8"}


def test_larger_batches_pay_for_conversions() -> None:
    """1 ns a place gains 0.8 us for one sample, and 49 us for 64; the conversions take 2."""
    target = cpu(one=machine(kernel(0, 0, 1.0, 2.0)))
    shape = {"inputs": "float[n, 8, 16, 16] x"}
    assert set(runs(placed(target, **shape)).values()) == {"float"}
    assert runs(placed(target, wish=PlacementWish(prefer="speed", serve_batch=64), **shape)) == ALL_INTEGER


def test_targets_of_integers_alone_do_not_weigh_time() -> None:
    target = load_target("mcu_tflite")
    model = net(THREE, constants=W)
    assert runs(place(model, target, wish=SPEED)) == runs(place(model, target))


@pytest.mark.parametrize(
    ("body", "inputs", "kind", "counts"),
    [
        ("y = Conv<pads = [1, 1, 1, 1]>(x, w)", "float[1, 8, 16, 16] x", "Conv.dense", (256, 72, 8)),
        ("y = Conv(x, p)", "float[2, 8, 16, 16] x", "Conv.pointwise", (512, 8, 8)),
        ("y = Conv<group = 8>(x, d)", "float[1, 8, 16, 16] x", "Conv.depthwise", (196, 9, 8)),
        ("y = Conv(x, first)", "float[1, 3, 16, 16] x", "Conv.first", (196, 27, 4)),
        ("y = Conv(x, single)", "float[1, 1, 40] x", "Conv.single.line", (32, 9, 1)),
        ("y = Conv<group = 8>(x, line)", "float[1, 8, 40] x", "Conv.depthwise.line", (32, 9, 8)),
        ("y = Gemm(x, g)", "float[5, 8] x", "Gemm", (5, 8, 6)),
        ("y = Sigmoid(x)", "float[5, 8] x", "Sigmoid", (40, 1, 1)),
        ("y = GlobalAveragePool(x)", "float[1, 8, 16, 16] x", "GlobalAveragePool", (8, 256, 1)),
        ("a = Conv(x, p) y = Mul(a, gate)", "float[1, 8, 16, 16] x", "Mul.spread", (256, 1, 8)),
        ("y = Mul(x, one)", "float[1, 20, 30, 1] x", "Mul.spread", (600, 1, 1)),
        ("y = Mul(x, one)", "float[1, 20, 30] x", "Mul", (600, 1, 1)),
    ],
)
def test_the_work_of_nodes(body: str, inputs: str, kind: str, counts: tuple[int, int, int]) -> None:
    constants = {
        **W,
        "d": weights(8, 1, 3, 3),
        "first": weights(4, 3, 3, 3),
        "g": weights(8, 6),
        "gate": weights(1, 8, 1, 1),
        "one": weights(1),
        "single": weights(1, 1, 9),
        "line": weights(8, 1, 9),
    }
    model = net(body, inputs=inputs, constants=constants)
    work = work_of(model.graph[-1])
    assert (work.kind, work.places, work.reads, work.width) == (kind, *counts)


@pytest.mark.parametrize(
    ("body", "inputs", "kinds"),
    [
        ("y = Conv<pads = [1, 1, 1, 1]>(x, w)", "float[1, 8, 16, 16] x", ("QuantizeLinear.turned", "DequantizeLinear.turned")),
        ("a = Conv(x, p) y = Conv(a, p)", "float[1, 8, 16, 16] x", ("QuantizeLinear.image", "DequantizeLinear.image")),
        ("a = Conv(x, l) y = Conv(a, l)", "float[1, 8, 16] x", ("QuantizeLinear.turned", "DequantizeLinear.turned")),
        ("a = Relu(x) y = Erf(a)", "float[1, 8, 16, 16] x", ("QuantizeLinear", "DequantizeLinear")),
    ],
)
def test_conversions_with_their_changes_of_layout(body: str, inputs: str, kinds: tuple[str, str]) -> None:
    """Of the last node's ends in a net of one node, else of the value between the two nodes."""
    graph = net(body, inputs=inputs, constants={**W, "l": weights(8, 8, 1)}).graph
    made = graph[0].outputs[0]
    read = graph.inputs[0] if len(graph) == 1 else made
    assert (conversion("QuantizeLinear", read, 1).kind, conversion("DequantizeLinear", made, 1).kind) == kinds


def test_float_pictures_have_whole_groups_of_channels() -> None:
    """Depthwise on 8 channels takes as long as on 16 where kernels compute 16 at once; codes have
    no such groups, and their last channels go one by one.
    """
    eight, sixteen = (Work("Conv.depthwise", 100, 9, channels, True, 9 * channels) for channels in (8, 16))
    assert eight.counts(16, blocks=True)[3] == sixteen.counts(16, blocks=True)[3] == 100 * 9 * 16
    assert (eight.counts(16)[3], eight.counts(16)[5]) == (0, 100 * 9 * 8)


#: signals of 40 channels, filtered channel by channel, and of 1 channel with long windows
SIGNALS = {
    "d": weights(40, 1, 9),
    "e": weights(40, 1, 9, seed=1),
    "p": weights(40, 40, 1),
    "q": weights(40, 40, 1, seed=1),
    "w": weights(48, 48, 9),
    "v": weights(48, 48, 9, seed=1),
}
SEPARABLE = "[d1] a = Conv<group = 40>(x, d) [p1] b = Conv(a, p) [d2] c = Conv<group = 40>(b, e) [p2] y = Conv(c, q)"
STACK = "[c1] a = Conv(x, w) [c2] b = Conv(a, v) [c3] y = Conv(b, w)"


@pytest.mark.parametrize(("body", "inputs"), [(SEPARABLE, "float[1, 40, 100] x"), (STACK, "float[1, 48, 80] x")])
def test_convolutions_over_signals_pay_in_integers(body: str, inputs: str) -> None:
    """The float kernels over one axis have no blocks of channels, and take twice to five times as
    long as over two.
    """
    found = placed(load_target("cpu"), body, constants=SIGNALS, inputs=inputs)
    assert set(runs(found).values()) == {"int8"}


def test_few_channels_of_large_pictures_stay_float_and_the_rest_does_not() -> None:
    """The head loses on every machine, the body gains: neither decides for the other."""
    layers = [(3, 8, 1, 2), (8, 8, 8, 1), (8, 16, 1, 1), (16, 64, 1, 2), (64, 64, 1, 2), (64, 64, 1, 1)]
    body, constants, value = "", {}, "x"
    for index, (inner, channels, groups, stride) in enumerate(layers):
        body += f"[c{index}] v{index} = Conv<group = {groups}, pads = [1, 1, 1, 1], strides = [{stride}, {stride}]>({value}, w{index}) "
        constants[f"w{index}"], value = weights(channels, inner // groups, 3, 3, seed=index), f"v{index}"
    found = runs(placed(load_target("cpu"), f"{body} y = Identity({value})", constants=constants, inputs="float[1, 3, 112, 112] x"))
    assert [found[f"c{index}"] for index in (0, 1, 4, 5)] == ["float", "float", "int8", "int8"]


def test_a_float_layer_between_integer_ones_stays_float_in_the_runtime() -> None:
    """onnxruntime would quantize its weight and compute it in integers all the same."""
    body = f"[c1] a = Conv<{PADDED}>(x, w) [c2] b = Conv(a, p) [c3] y = Conv<{PADDED}>(b, v)"
    target = cpu(one=machine(kernel(1_000, 900_000), kernel(900_000, 1_000)))
    data = {"x": np.random.default_rng(0).normal(size=(8, 8, 16, 16)).astype(np.float32)}
    made = quantize(ir.to_proto(net(body, constants=W)), data, target=target, recipe=Recipe(effort="fast", placement=SPEED), prove=False)
    assert {name: node.runs for name, node in made.plan.nodes.items()} == {"c1": "int8", "c2": "float", "c3": "int8"}
    assert {node.name: node.runs_as for node in prove_placement(made.model).nodes}["c2"] == "float"


def test_a_column_without_stretches_prices_operands_in_stretches_as_any() -> None:
    column = machine(kernel(0, 0), Add=kernel(10.0, 30.0), Mul=kernel(5000.0, 7000.0))
    (node,) = net("y = Add(x, one)", inputs="float[1, 20, 30, 1] x", constants={"one": weights(1)}).graph
    found = Prices(cpu(one=column), "one", column).times(node)
    assert (found.integer, found.float) == (10.0, 30.0)


@pytest.mark.parametrize(
    ("body", "inputs", "kind"),
    [
        ("a = Conv(x, p) y = Slice(a, one, two, one)", "float[1, 8, 16, 16] x", "Slice.image"),
        ("a = Conv(x, p) b = Relu(a) c = Concat<axis = 1>(b, b) y = Gather<axis = 1>(c, one)", "float[1, 8, 16, 16] x", "Gather.image"),
        ("a = Slice(x, one, two, one) b = Sigmoid(a) c = Conv(b, v) y = Relu(c)", "float[1, 8, 16, 16] x", "Slice.image"),
        ("y = Gather<axis = 0>(x, one)", "float[8, 16] x", "Gather"),
        ("y = Slice(x, one, two, one)", "float[8, 16] x", "Slice"),
        ('y = Resize<mode = "linear">(x, , scales)', "float[1, 8, 16, 16] x", "Resize.linear"),
        ("y = AveragePool<kernel_shape = [3]>(x)", "float[1, 8, 16] x", "AveragePool.line"),
        ("y = MaxPool<kernel_shape = [2, 2, 2]>(x)", "float[1, 8, 4, 4, 4] x", "MaxPool.volume"),
        ("y = Conv(x, volume)", "float[1, 8, 4, 4, 4] x", "Conv.dense.volume"),
    ],
)
def test_moves_and_pools_have_kinds_by_their_surroundings_and_axes(body: str, inputs: str, kind: str) -> None:
    constants = {
        **W,
        "one": np.array([1]),
        "two": np.array([2]),
        "scales": np.array([1, 1, 2, 2], np.float32),
        "volume": weights(4, 8, 3, 3, 3),
    }
    graph = net(body, inputs=inputs, constants=constants).graph
    named = kind.partition(".")[0]
    assert [work_of(node).kind for node in graph if node.op_type == named] == [kind]
