"""Values that a graph computes from constants alone, and which of them the file should hold.

A table of sines computed from two ranges takes some hundred bytes as nodes and a megabyte as an
initializer. A transposed weight takes as much as the weight. Runtimes compute both when they load
the model; edgeq needs as a constant what a quantized layer reads as its weight.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import onnx_ir as ir

from edgeq.graph.read import ONNX_DOMAINS, constant, is_op, is_random, nodes, operator_of

#: bytes that a result may add to the file: the nodes that compute it take about as much
SLACK_BYTES = 1024
#: largest result of any kind, in elements, that is made from fewer elements
MAX_ELEMENTS = 4 << 20


@dataclass(frozen=True, eq=False)
class ComputedConstants:
    """The nodes of a model whose results depend on constants alone."""

    model: ir.Model

    @cached_property
    def nodes(self) -> dict[ir.Node, frozenset[ir.Value]]:
        """Such nodes in walk order, each with the stored constants that it is computed from."""
        found: dict[ir.Node, frozenset[ir.Value]] = {}
        for node in nodes(self.model):
            sources = self._all_sources(node, found)
            if sources and _computes(node) and not (_is_output(node) and node.graph is not self.model.graph):
                found[node] = sources
        return found

    def _all_sources(self, node: ir.Node, found: dict[ir.Node, frozenset[ir.Value]]) -> frozenset[ir.Value]:
        """The stored constants that a node is computed from; none where anything else is read."""
        every: frozenset[ir.Value] = frozenset()
        for value in node.inputs:
            if value is not None:
                own = self._sources(value, found)
                if not own:  # nearly every node ends here, at its first input
                    return own
                every |= own
        return every

    def within_limits(self) -> set[ir.Node]:
        """The nodes whose results are no larger than MAX_ELEMENTS or what they are made from."""
        return self._with_all_inputs({node for node, sources in self.nodes.items() if most_elements(node) <= _limit(sources)})

    def worth_storing(self) -> set[ir.Node]:
        """The nodes whose results may replace them without making the file of the int8 model grow.

        A result counts one byte an element where it is read as a weight. Constants that nothing
        else reads vanish from the file.
        """
        chosen = self.within_limits()
        while True:
            kept = {node for node in chosen if not _vanishes(node, chosen) and not self._pays(node, chosen)}
            if not kept:
                return chosen
            chosen = self._with_all_inputs(chosen - kept)

    def _with_all_inputs(self, chosen: set[ir.Node]) -> set[ir.Node]:
        """Those of the nodes that read only stored constants and results of each other."""
        found: set[ir.Node] = set()
        for node in self.nodes:
            makers = {value.producer() for value in node.inputs if value is not None and constant(value) is None}
            if node in chosen and makers <= found:
                found.add(node)
        return found

    def _pays(self, node: ir.Node, chosen: set[ir.Node]) -> bool:
        """Whether a result that others read may be stored: alone, or with its whole family."""
        sources, own = self.nodes[node], self._stored_bytes(node)
        if own <= SLACK_BYTES:
            return True
        floats = sum(_elements(value) for value in sources if value.dtype != ir.DataType.INT64)
        if self._as_weight(node) and most_elements(node) <= floats:
            return True  # in 8 bits, a second copy takes less than what the float form takes
        family = [other for other in chosen if self.nodes[other] & sources and not _vanishes(other, chosen)]
        read_by = {other for other, made_from in self.nodes.items() if made_from & sources and other in chosen}
        gone = {value for other in family for value in self.nodes[other] if {use.node for use in value.uses()} <= read_by}
        return sum(map(self._stored_bytes, family)) <= sum(map(_bytes, gone)) + SLACK_BYTES

    def _sources(self, value: ir.Value, found: dict[ir.Node, frozenset[ir.Value]]) -> frozenset[ir.Value]:
        if constant(value) is not None:
            return frozenset({value})
        maker = value.producer()
        return frozenset() if maker is None else found.get(maker, frozenset())

    def _as_weight(self, node: ir.Node) -> bool:
        """Whether everything that reads the result reads it as a weight."""
        uses = [use for value in node.outputs for use in value.uses()]
        floats = all(value.dtype in (ir.DataType.FLOAT, None) for value in node.outputs)
        return floats and bool(uses) and not _is_output(node) and all(use.idx in operator_of(use.node).weights for use in uses)

    def _stored_bytes(self, node: ir.Node) -> float:
        return most_elements(node) * (1 if self._as_weight(node) else max(map(_item_bytes, node.outputs)))


def most_elements(node: ir.Node) -> float:
    """An upper bound of the elements of the node's largest output."""
    known = [_elements(value) for value in node.outputs if value.shape is not None and value.shape.is_static()]
    if len(known) == len(node.outputs):
        return max(known, default=0)
    return math.inf if operator_of(node).grows else math.prod(max(_most_of(value), 1) for value in node.inputs if value is not None)


def _most_of(value: ir.Value) -> float:
    maker = value.producer()
    return _elements(value) if maker is None or constant(value) is not None else most_elements(maker)


def _computes(node: ir.Node) -> bool:
    if node.domain not in ONNX_DOMAINS or is_op(node, "Constant") or is_random(node):
        return False
    if len(node.outputs) != 1:
        return False
    return not any(attr.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS) for attr in node.attributes.values())


def _is_output(node: ir.Node) -> bool:
    return any(value.is_graph_output() for value in node.outputs)


def _vanishes(node: ir.Node, chosen: set[ir.Node]) -> bool:
    """Whether nothing but the chosen nodes needs the result: no other node and no caller."""
    return not _is_output(node) and {use.node for value in node.outputs for use in value.uses()} <= chosen


def _limit(sources: frozenset[ir.Value]) -> int:
    return max(MAX_ELEMENTS, sum(_elements(value) for value in sources))


def _elements(value: ir.Value) -> int:
    shape = value.shape
    if shape is not None and shape.is_static():
        return math.prod(shape.numpy())
    array = constant(value)
    return 0 if array is None else int(array.size)


def _item_bytes(value: ir.Value) -> float:
    return 4 if value.dtype in (None, ir.DataType.STRING, ir.DataType.UNDEFINED) else value.dtype.itemsize


def _bytes(value: ir.Value) -> float:
    return _elements(value) * _item_bytes(value)
