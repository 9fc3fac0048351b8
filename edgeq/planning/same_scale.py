"""Group values that must share one grid because an operator moves their integers unchanged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import onnx_ir as ir

from edgeq.graph.code_grids import recorded_grid
from edgeq.graph.patterns.softmax_readers import softmax_inputs
from edgeq.graph.read import clip_bounds, constant, is_op, nodes, only_consumer, operator_of
from edgeq.planning.placement import NodePlace, Placement
from edgeq.planning.values.joined import JoinedNames
from edgeq.schema.target import Target

_MOVED = "one grid for all its inputs and the output: the integers are copied"


@dataclass(frozen=True)
class Groups:
    """The groups of a model, by the name of the value that represents each."""

    #: for each group, its values in graph order
    members: Mapping[str, tuple[str, ...]]
    #: for each group, the values whose ranges decide its grid: made by a kernel or by a float node,
    #: or fed by the user. A value that a Relu or Clip on integers follows is listed under that
    #: node's output, because larger numbers need not be represented; one that reaches Softmax alone
    #: is listed as what the Softmax reads, because masked numbers need not be represented
    sources: Mapping[str, tuple[str, ...]]
    #: the places of all nodes, in which some Concats have become plain copies
    nodes: Mapping[str, NodePlace]


def same_scale_groups(model: ir.Model, placement: Placement, target: Target, ties: Iterable[tuple[str, str]] = ()) -> Groups:
    """Join the input and the output of every node that leaves integers unchanged.

    That holds for operators on integers, and for kernels that have one grid for both sides on the
    target. The inputs of a Concat are joined if nothing else reads them; otherwise the Concat gets
    its inputs requantized. ties: outputs and the inputs to which they are fed (fed_back), joined
    where both are quantized.

    >>> from edgeq.planning.placement import place
    >>> from edgeq.schema.target import load_target
    >>> from edgeq.testing.pass_models import named_model
    >>> model, target = named_model("lines"), load_target("npu_int8")
    >>> groups = same_scale_groups(model, place(model, target), target)
    >>> sorted(groups.members.values())
    [('a', 'b', 'y'), ('x',)]
    """
    return _Joiner(model, placement, target).groups(ties)


class _Joiner:
    def __init__(self, model: ir.Model, placement: Placement, target: Target) -> None:
        self.placement, self.target = placement, target
        #: the grid of an input of raw pixels is fixed, like a kernel's own output grid
        self.pixels = {value: grid for value in model.graph.inputs if (grid := recorded_grid(model, str(value.name))) is not None}
        self.nodes = [n for n in nodes(model) if n.name in placement.nodes]
        self.places = dict(placement.nodes)
        self.values: dict[str, ir.Value] = {}
        quantized = placement.quantized
        for node in self.nodes:
            for value in (*node.inputs, *node.outputs):
                if value is not None and value.name in quantized:
                    self.values.setdefault(str(value.name), value)
        self.joined = JoinedNames(self.values)
        self.absorbed = {str(n.inputs[0].name) for n in self.nodes if self._runs(n) == "absorbed" and n.inputs[0] is not None}

    def groups(self, ties: Iterable[tuple[str, str]]) -> Groups:
        """Join the values and collect the groups."""
        for node in self.nodes:
            if self._keeps_grid(node):
                for output in node.outputs:
                    if output.name in self.values:
                        self.joined.join(str(output.name), str(node.inputs[0].name) if node.inputs[0] is not None else str(output.name))
        for node in self.nodes:
            if node.op_type == "Concat" and self._runs(node) == "int8" and self._copies(node):
                self._unify(node)
        bounded = self._feed_back(ties)
        members: dict[str, list[str]] = {}
        sources: dict[str, list[str]] = {}
        for name in self.values:
            if name in self.absorbed:
                continue
            root = self.joined.root(name)
            members.setdefault(root, []).append(name)
            if self._is_source(self.values[name]) and name not in bounded:
                sources.setdefault(root, []).extend(self._read_as(self.values[name]))
        return Groups(
            {root: tuple(names) for root, names in members.items()}, {root: tuple(names) for root, names in sources.items()}, self.places
        )

    def _feed_back(self, ties: Iterable[tuple[str, str]]) -> set[str]:
        """Join outputs with the inputs they are fed to.

        Returns the inputs whose range must not widen that of their output: its grid is what clips.
        """
        found = set()
        for out, name in ties:
            if out in self.values and name in self.values:
                if self._cuts(self.values[out]) != {None}:
                    found.add(name)
                self.joined.join(out, name)
        return found

    def _runs(self, node: ir.Node) -> str:
        return self.places[str(node.name)].runs

    def _keeps_grid(self, node: ir.Node) -> bool:
        """Whether its output codes have the same meaning as its input codes."""
        runs = self._runs(node)
        return runs == "integer" or (runs == "int8" and node.op_type != "Concat" and self._one_grid(node.op_type))

    def _one_grid(self, op_type: str) -> bool:
        kernel = self.target.kernel_of(op_type)
        return kernel is not None and kernel.same_scale

    def _unify(self, node: ir.Node) -> None:
        for value in node.inputs:
            if value is not None and constant(value) is None:
                self.joined.join(str(node.outputs[0].name), str(value.name))
        self.places[str(node.name)] = replace(self.places[str(node.name)], runs="integer", because="movement", reason=_MOVED)

    def _copies(self, node: ir.Node) -> bool:
        """Whether all inputs of the Concat can share a grid without losing precision elsewhere.

        The whole group of each input must be read by this Concat alone.
        """
        inputs = [v for v in node.inputs if v is not None]
        if len(inputs) != len({v.name for v in inputs}) or any(constant(v) is not None for v in inputs):
            return False
        # an absorbed Relu or Clip is the end of its grid: sharing the grid with values that go
        # further would undo it
        if len({cut for value in inputs for cut in self._cuts(value)}) > 1:
            return False
        return all(self._only_for(value, node) for value in inputs)

    def _cuts(self, value: ir.Value) -> set[tuple[float, float] | None]:
        """The bounds that the grid must impose on the value's group; None: an unbounded source."""
        members = [self.values[name] for name in self.joined.with_all(str(value.name))]
        return {self._bounds(member) for member in members if self._is_source(member)}

    def _bounds(self, value: ir.Value) -> tuple[float, float] | None:
        if value in self.pixels:
            return float(self.pixels[value].scale), int(self.pixels[value].zero_point)
        node = value.producer()
        fixed = None if node is None else self.target.kernel_of(node.op_type)
        if fixed is not None and fixed.output_grid is not None:
            return fixed.output_grid.scale, fixed.output_grid.zero_point  # not bounds, but as fixed as these
        if is_op(node, "HardSigmoid"):
            return 0.0, 1.0  # as an integer Add, only the grid clips it
        if node is None or node.name not in self.places or self._runs(node) != "absorbed":
            return None
        return clip_bounds(node)

    def _only_for(self, value: ir.Value, reader: ir.Node) -> bool:
        for name in self.joined.with_all(str(value.name)):
            member = self.values[name]
            if member.is_graph_output():
                return False
            for use in member.uses():
                if use.node is not reader and self._runs_moving(use.node) is False:
                    return False
        return True

    def _runs_moving(self, node: ir.Node) -> bool:
        return node.name in self.places and self._runs(node) in ("integer", "absorbed")

    def _read_as(self, value: ir.Value) -> tuple[str, ...]:
        """The name of the value, or of the last Relu or Clip on integers that alone reads it.

        Numbers beyond those bounds need not be represented. If Softmax alone reads it, the names of
        what the Softmax reads. Both possibly moved.
        """
        last, reader = value, only_consumer(value)
        while reader is not None and self._passes_on(reader, value):
            value = reader.outputs[0]
            last = value if is_op(reader, "Relu", "Clip") else last
            reader = only_consumer(value)
        return softmax_inputs(last) or (str(last.name),)

    def _passes_on(self, node: ir.Node, value: ir.Value) -> bool:
        """Whether the node hands the elements of the value on as they are, or bounded."""
        if node.name not in self.placement.nodes or self._runs(node) != "integer":
            return False
        if is_op(node, "Relu", "Clip"):
            return True
        moves, data = operator_of(node).moves, operator_of(node).data_of(len(node.inputs))
        return moves in ("views", "reorders", "copies") and data == (0,) and len(node.outputs) == 1 and node.inputs[0] is value

    def _is_source(self, value: ir.Value) -> bool:
        producer = value.producer()
        return producer is None or producer.name not in self.places or not self._keeps_grid(producer)
