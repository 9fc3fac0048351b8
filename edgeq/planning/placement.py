"""Which nodes run in integers: the cheapest placement on a target, from the graph alone.

Each node is labelled integer or float. A label costs time (the target's facts), and so does every
conversion between the two: one Quantize or Dequantize per value. The cheapest labelling of a graph
is a minimum cut (edgeq/planning/cut/min_cut.py). Multiply-accumulates are worth more than their
time (Boundary.integer_mac_worth_ns), because edgeq is asked for an integer model. Every node gets a
reason.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import onnx_ir as ir

from edgeq.errors import BadRecipe
from edgeq.graph.read import graphs, is_op
from edgeq.planning.absorbing import Absorbing
from edgeq.planning.cost.facts import slow_ns
from edgeq.planning.cost.price import machines
from edgeq.planning.cost.times import ByTime
from edgeq.planning.cut.float_around import FloatAround
from edgeq.planning.cut.placement_cut import Cause, GraphCut
from edgeq.planning.movement_fit import fills_behind
from edgeq.runtimes.fusion import noted_fusions
from edgeq.schema.cost import INTEGERS, PlacementWish, Slower
from edgeq.schema.patterns import kept_nodes
from edgeq.schema.plan import Because, PlacedAs
from edgeq.schema.target import Target


@dataclass(frozen=True)
class NodePlace:
    """Where a node runs, and why."""

    op_type: str
    #: int8: as one integer kernel between Dequantize and Quantize; dynamic: as an integer kernel
    #: whose input grid is measured at every run; integer: on the integer tensors themselves;
    #: absorbed: its producer's output grid does its work; float: unchanged
    runs: PlacedAs
    #: what decided it, for code
    because: Because
    #: the same for people
    reason: str
    #: the machine that is faster with floats, where that decided
    slower: Slower | None = None


@dataclass(frozen=True)
class Placement:
    """The places of all nodes of a model, and what follows for its values."""

    #: every node of the model
    nodes: Mapping[str, NodePlace]
    #: values whose readers all see the quantized form
    integer: frozenset[str]
    #: values that stay float for their float readers and are quantized for the integer ones
    converted: frozenset[str]

    @cached_property
    def quantized(self) -> frozenset[str]:
        """Every value that needs a grid."""
        return self.integer | self.converted


def place(
    model: ir.Model,
    target: Target,
    keep_float: Iterable[str] = (),
    unfit: Mapping[str, Cause] | None = None,
    chosen: Mapping[str, Cause] | None = None,
    blunt: Container[str] = (),
    wish: PlacementWish = INTEGERS,
) -> Placement:
    """Label every node of a prepared model, including those of bodies.

    What the runtime computes with one float kernel (noted_fusions) stays together.

    unfit: values that no grid can hold, with the reason. chosen: nodes that measurements
    keep float, with the reason. blunt: Clips whose low bound the grid of their output cannot tell
    from 0. wish: whether time counts. Raises BadRecipe if a keep_float pattern matches nothing.
    """
    kept: dict[str, Cause] = {}
    for pattern in keep_float:
        matching = kept_nodes(model, pattern)
        if not matching:
            fix = "Use a node name, a glob, /a regex/ or an operator type; `edgeq inspect` lists them."
            raise BadRecipe(f"keep_float pattern {pattern!r} matches no node.", "keep_float", fix)
        kept.update(dict.fromkeys(matching, Cause("kept", f"kept float by the recipe ({pattern})")))
    kept.update(chosen or {})
    found: dict[str, NodePlace] = {}
    integer: set[str] = set()
    converted: set[str] = set()
    fills = fills_behind(model, target)
    for graph in graphs(model):
        cut = GraphCut(graph, target, kept, unfit or {}, noted_fusions(model), machines(target, wish))
        around, absorbing = FloatAround(cut), Absorbing(cut, blunt, fills)
        found.update({str(node.name): _place(cut, node, absorbing, around) for node in graph})
        integer |= {v.name for v in cut.values if v.name and cut.is_integer_value(v)}
        converted |= {v.name for v in cut.values if v.name and not cut.is_integer_value(v) and cut.integer_readers(v)}
    return Placement(found, frozenset(integer), frozenset(converted))


def _place(cut: GraphCut, node: ir.Node, absorbing: Absorbing, around: FloatAround) -> NodePlace:
    if not cut.is_integer(node):
        why = _why_float(cut, node, around)
        if why.because == "measured":
            return NodePlace(node.op_type, "dynamic", why.because, f"integer kernel: {why.reason}")
        return NodePlace(node.op_type, "float", why.because, why.reason, why.slower)
    kernel = cut.target.kernel_of(node.op_type)
    if kernel is not None:
        return NodePlace(node.op_type, "int8", "kernel", f"integer kernel: {kernel.source}")
    if is_op(node, "Relu", "Clip") and absorbing.absorbs(node):
        return NodePlace(node.op_type, "absorbed", "absorbed", "the grid of its producer's output already saturates at its bounds")
    return NodePlace(node.op_type, "integer", "movement", "moves or selects elements: runs on the integers as they are")


def _why_float(cut: GraphCut, node: ir.Node, around: FloatAround) -> Cause:
    own = cut.obstacles.get(str(node.name))
    if own is not None:
        return own
    if node.name in cut.slower:
        return _slower(cut.slower[node.name], node)
    if slow_ns(node, cut.target, cut.obstacles) is not None:
        why = f"the integer kernel is slow where channels are not last, as behind a Conv: float {node.op_type} takes less time here"
        return Cause("slow", why)
    nearest = around.nearest(node)
    causes = [_told(nearest, cut.obstacles)] if nearest else []
    if around.at_output(node):
        causes.append("it leads to a float output of the model")
    if not causes:
        why = "an integer kernel exists, but it and the Quantize/Dequantize steps around it would take longer than the float kernel"
        return Cause("cost", why)
    why = f"an integer kernel exists, but {' and '.join(causes)}: the Quantize/Dequantize steps it would need cost more than it saves"
    return Cause("cost", why)


def _slower(machine: ByTime, node: ir.Node) -> Cause:
    times = machine.times(node)
    found = Slower(column=machine.prices.name, integer_us=round(times.integer / 1e3, 1), float_us=round(times.float / 1e3, 1))
    if times.integer > times.float:
        return Cause("slower", f"float here: integer kernels are slower on {found.column}", found)
    return Cause("slower", f"float here: with the conversions and nodes around it, integers are slower on {found.column}", found)


def _told(around: Sequence[ir.Node], obstacles: Mapping[str, Cause]) -> str:
    """What the float nodes around are; not their names and reasons, which stand with them."""
    gives = [node.op_type for node in around if obstacles[str(node.name)].because == "measured"]
    stays = [node.op_type for node in around if obstacles[str(node.name)].because != "measured"]
    told = [f"{_listed(stays)} beside it stays float"] if stays else []
    return " and ".join([*told, *([f"{_listed(gives)} beside it takes and gives floats"] if gives else [])])


def _listed(op_types: Iterable[str]) -> str:
    return " or ".join(sorted(set(op_types)))
