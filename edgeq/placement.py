"""Which nodes run in integers: the cheapest placement on a target, decided from the graph alone, with a reason for every node.

Each node is labelled integer or float. A label costs time (the target's facts), and so does every step between the two worlds: one
Quantize or Dequantize a value. The cheapest labelling of a graph is a minimum cut (edgeq/min_cut.py). Multiply-accumulates are worth
more than their time (Boundary.integer_mac_worth_ns): edgeq is asked for an integer model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

import onnx_ir as ir

from edgeq.errors import BadRecipe
from edgeq.graph import constant, graphs, is_op, nodes
from edgeq.kernel_fit import data_inputs, is_float_work, obstacle
from edgeq.macs import elements, macs
from edgeq.min_cut import FORBIDDEN, MinCut
from edgeq.target import Target

Runs = Literal["int8", "integer", "absorbed", "float"]


@dataclass(frozen=True)
class NodePlace:
    """Where a node runs. int8: between Dequantize and Quantize, as one integer kernel. integer: on the integer tensors themselves.
    absorbed: its producer's output grid does its work. float: stays as it is."""

    op_type: str
    runs: Runs
    reason: str


@dataclass(frozen=True)
class Placement:
    """nodes: a place for every node of the model. integer: values whose every reader sees the quantized form.
    converted: values that stay float for their float readers and are quantized for the integer ones."""

    nodes: Mapping[str, NodePlace]
    integer: frozenset[str]
    converted: frozenset[str]

    @property
    def quantized(self) -> frozenset[str]:
        """Every value that needs a grid."""
        return self.integer | self.converted


def place(model: ir.Model, target: Target, keep_float: Iterable[str] = (), unfit: Mapping[str, str] | None = None) -> Placement:
    """Label every node of a prepared model, bodies included. unfit: values that no grid can hold, with the reason.

    Raises BadRecipe when a keep_float pattern matches nothing.
    """
    kept = _kept(model, tuple(keep_float))
    found: dict[str, NodePlace] = {}
    integer: set[str] = set()
    converted: set[str] = set()
    for graph in graphs(model):
        labels = _Labels(graph, target, kept, unfit or {})
        found.update(labels.places())
        integer |= {v.name for v in labels.values if v.name and labels.is_integer_value(v)}
        converted |= {v.name for v in labels.values if v.name and not labels.is_integer_value(v) and labels.integer_readers(v)}
    return Placement(found, frozenset(integer), frozenset(converted))


def _kept(model: ir.Model, patterns: tuple[str, ...]) -> dict[str, str]:
    """Node name -> the pattern that keeps it float."""
    kept: dict[str, str] = {}
    everything = list(nodes(model))
    for pattern in patterns:
        matching = [n.name for n in everything if n.name and _matches(pattern, n.name, n.op_type)]
        if not matching:
            mend = "Use a node name, a glob, /a regex/ or an operator type; `edgeq inspect` lists them."
            raise BadRecipe(f"keep_float pattern {pattern!r} matches no node.", "keep_float", mend)
        kept.update(dict.fromkeys(matching, pattern))
    return kept


def _matches(pattern: str, name: str, op_type: str) -> bool:
    if len(pattern) > 2 and pattern[0] == pattern[-1] == "/":
        try:
            return re.search(pattern[1:-1], name) is not None
        except re.error as problem:
            what = f"keep_float pattern {pattern!r} is not a regular expression: {problem}."
            raise BadRecipe(what, "keep_float", "Correct it, or use a glob.") from None
    return pattern == op_type or fnmatchcase(name, pattern)


class _Labels:
    """The minimum cut of one graph: nodes and the values they make, integer (source side) or float (sink side)."""

    def __init__(self, graph: ir.Graph, target: Target, kept: Mapping[str, str], unfit: Mapping[str, str]) -> None:
        self.graph, self.target, self.unfit = graph, target, unfit
        self.obstacles: dict[str, str] = {}
        for node in graph:
            assert node.name is not None
            why = f"kept float by the recipe ({kept[node.name]})" if node.name in kept else self._obstacle(node)
            if why is not None:
                self.obstacles[node.name] = why
        self.values = [v for v in (*graph.inputs, *(o for n in graph for o in n.outputs)) if v.dtype == ir.DataType.FLOAT]
        self._side = self._cut()

    def is_integer(self, node: ir.Node) -> bool:
        return ("node", node.name) in self._side

    def is_integer_value(self, value: ir.Value) -> bool:
        return ("value", value.name) in self._side

    def integer_readers(self, value: ir.Value) -> list[ir.Node]:
        return [node for node in self._readers(value) if self.is_integer(node)]

    def places(self) -> dict[str, NodePlace]:
        return {str(node.name): self._place(node) for node in self.graph}

    def _obstacle(self, node: ir.Node) -> str | None:
        why = obstacle(node, self.target)
        if why is not None:
            return why
        kernel = self.target.kernel_of(node.op_type)
        touched = [node.inputs[i] for i in data_inputs(node, kernel)]
        if any(v is not None and constant(v) is None and not self._own(v) for v in touched):
            return "reads a value of the graph around this body, which reaches it as float"
        if kernel is None or kernel.output == "required":
            touched.extend(node.outputs)
        return next((self.unfit[str(v.name)] for v in touched if v is not None and v.name in self.unfit), None)

    def _own(self, value: ir.Value) -> bool:
        """Whether the value is made in this graph, not captured from one around it."""
        producer = value.producer()
        return producer.graph is self.graph if producer is not None else value.graph is self.graph

    # -- the cut ---------------------------------------------------------------------------------------------------------------

    def _cut(self) -> set[object]:
        cut = MinCut()
        for node in self.graph:
            self._add_node(cut, node)
        for value in self.values:
            self._add_value(cut, value)
        return set(cut.source_side())

    def _add_node(self, cut: MinCut, node: ir.Node) -> None:
        here = ("node", node.name)
        if str(node.name) in self.obstacles:
            cut.prefer_sink(here, FORBIDDEN)
        else:
            integer, floating = self._costs(node)
            cut.prefer_sink(here, integer)
            cut.prefer_source(here, floating)
        kernel = self.target.kernel_of(node.op_type)
        free = kernel is not None and kernel.output == "optional"
        for output in node.outputs:
            there = ("value", output.name)
            cut.add(there, here, FORBIDDEN)
            if not free:
                cut.add(here, there, FORBIDDEN)

    def _add_value(self, cut: MinCut, value: ir.Value) -> None:
        here = ("value", value.name)
        if value.is_graph_input():
            cut.prefer_sink(here, FORBIDDEN)
        readers = self._readers(value)
        quantized, plain = ("quantized", value.name), ("plain", value.name)
        if value.name in self.unfit:
            cut.prefer_sink(here, FORBIDDEN)
            cut.prefer_sink(quantized, FORBIDDEN)
        boundary = self.target.boundary
        size = elements(value)
        cut.add(quantized, here, self._picoseconds(size * boundary.quantize_ns + boundary.call_ns))
        cut.add(here, plain, self._picoseconds(size * boundary.dequantize_ns + boundary.call_ns))
        for reader in readers:
            if self._reads_data(reader, value):
                cut.add(("node", reader.name), quantized, FORBIDDEN)
            cut.add(plain, ("node", reader.name), FORBIDDEN)
        if value.is_graph_output() or any(use.node.graph is not self.graph for use in value.uses()):
            cut.prefer_sink(plain, FORBIDDEN)

    def _readers(self, value: ir.Value) -> list[ir.Node]:
        return list(dict.fromkeys(use.node for use in value.uses() if use.node.graph is self.graph))

    def _reads_data(self, node: ir.Node, value: ir.Value) -> bool:
        indices = data_inputs(node, self.target.kernel_of(node.op_type))
        return any(i < len(node.inputs) and node.inputs[i] is value for i in indices)

    def _costs(self, node: ir.Node) -> tuple[int, int]:
        """Picoseconds as (integer, float) kernel."""
        kernel = self.target.kernel_of(node.op_type)
        if kernel is not None and kernel.role == "compute":
            return 0, self._picoseconds(macs(node) * self.target.boundary.integer_mac_worth_ns)
        size = max(elements(node.inputs[0]) if "Pool" in node.op_type else 1, elements(node.outputs[0]))
        facts = kernel or self.target.movement
        call = self.target.boundary.call_ns
        return self._picoseconds(size * facts.int_ns + call), self._picoseconds(size * facts.float_ns + call)

    @staticmethod
    def _picoseconds(nanoseconds: float) -> int:
        return round(nanoseconds * 1000)

    # -- the words -------------------------------------------------------------------------------------------------------------

    def _place(self, node: ir.Node) -> NodePlace:
        if not self.is_integer(node):
            return NodePlace(node.op_type, "float", self._why_float(node))
        kernel = self.target.kernel_of(node.op_type)
        if kernel is not None:
            return NodePlace(node.op_type, "int8", f"integer kernel: {kernel.source}")
        if is_op(node, "Relu", "Clip") and self._absorbable(node):
            return NodePlace(node.op_type, "absorbed", "the grid of its producer's output saturates where it would cut")
        return NodePlace(node.op_type, "integer", "moves or selects elements: runs on the integers as they are")

    def _absorbable(self, node: ir.Node) -> bool:
        """Whether the value it reads is read by nothing else and is re-quantized where it is made."""
        source = node.inputs[0]
        assert source is not None
        if source.is_graph_output() or len(source.uses()) != 1 or self.target.activations.symmetric:
            return False
        producer = source.producer()
        if producer is None or producer.graph is not self.graph:
            return False
        if not self.is_integer(producer):
            return True
        if self.target.kernel_of(producer.op_type) is not None:
            return not is_op(producer, "Concat")
        return is_op(producer, "Relu", "Clip") and self._absorbable(producer)

    def _why_float(self, node: ir.Node) -> str:
        own = self.obstacles.get(str(node.name))
        if own is not None:
            return own
        around = self._float_neighbours(node)
        because = f" around it {', '.join(around)} stay float ({self._neighbour_reason(node)}), and" if around else ""
        return f"an integer kernel exists, but{because} the Quantize/Dequantize steps it would need cost more than it saves"

    def _float_neighbours(self, node: ir.Node) -> list[str]:
        return sorted({other.op_type for other in self._neighbours(node) if str(other.name) in self.obstacles})

    def _neighbour_reason(self, node: ir.Node) -> str:
        reasons = [self.obstacles[str(other.name)] for other in self._neighbours(node) if str(other.name) in self.obstacles]
        return reasons[0]

    def _neighbours(self, node: ir.Node) -> list[ir.Node]:
        before = [v.producer() for v in node.inputs if v is not None and constant(v) is None]
        after = [use.node for output in node.outputs for use in output.uses()]
        found = [n for n in (*before, *after) if n is not None and n.graph is self.graph]
        return [n for n in found if is_float_work(n, self.target.kernel_of(n.op_type)) or str(n.name) in self.obstacles]
