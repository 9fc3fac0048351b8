"""Straight lines of nodes, each of which reads one value that is not constant.

What ends in a line of nodes depends on what these are alone. Large models repeat a few lines
thousands of times, and in nearly all of them there is nothing to find.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

import onnx_ir as ir

from edgeq.graph.patterns.regions import MAX_NODES, same_everywhere
from edgeq.graph.read import constant
from edgeq.passes.prepare.recognize.plain_attributes import plain_attributes


class StraightLines:
    """The lines of one walk through a model that end in a node, and what was found at none."""

    def __init__(self) -> None:
        #: a node -> its place in a line: what is known of it, and the value that it reads
        self._places: dict[ir.Node, tuple[int, ir.Value] | None] = {}
        #: what is known of a node -> a number for it
        self._numbers: dict[Hashable, int] = {}
        #: the lines behind which nothing was found
        self._barren: set[tuple[int, ...]] = set()

    def line(self, last: ir.Node, admits: Callable[[ir.Node], bool], order: Mapping[ir.Node, int]) -> tuple[int, ...] | None:
        """What is known of the nodes of every region behind `last`, its own first.

        None where they make up no line. admits, order: as for regions_behind.
        """
        found: list[int] = []
        node: ir.Node | None = last
        while node is not None and len(found) < MAX_NODES and node in order and node.graph is last.graph and admits(node):
            if node not in self._places:
                self._places[node] = self._place(node)
            place = self._places[node]
            if place is None:
                return None
            found.append(place[0])
            node = place[1].producer()
        return tuple(found)

    def is_barren(self, line: tuple[int, ...] | None) -> bool:
        """Whether nothing was found behind an equal line."""
        return line in self._barren

    def note_barren(self, line: tuple[int, ...] | None) -> None:
        """Remember that nothing was found behind a line."""
        if line is not None:
            self._barren.add(line)

    def forget(self) -> None:
        """Forget what is known of nodes: some of them have changed."""
        self._places.clear()

    def _place(self, node: ir.Node) -> tuple[int, ir.Value] | None:
        """None where the node reads other than one value that is not constant."""
        moving = {value for value in node.inputs if value is not None and constant(value) is None}
        if len(moving) != 1:
            return None
        source, out = moving.pop(), node.outputs[0]
        inputs = tuple(None if value is None else "moving" if value is source else _told(value) for value in node.inputs)
        alone = not out.is_graph_output() and len({use.node for use in out.uses()}) == 1
        shape = None if source.shape is None else source.shape.dims
        known = (node.op_type, plain_attributes(node), inputs, source.dtype, shape, out.dtype, alone)
        return self._numbers.setdefault(known, len(self._numbers)), source


def _told(value: ir.Value) -> Hashable:
    """What matters of a constant: its shape, and its number where it holds one everywhere."""
    array = constant(value)
    assert array is not None
    return array.shape, same_everywhere(array)
