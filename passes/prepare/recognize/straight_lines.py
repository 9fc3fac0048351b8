"""Straight lines of nodes, each of which reads one value that is not constant.

What ends in a line of nodes depends on what these are alone. Large models repeat a few lines
thousands of times, and in nearly all of them there is nothing to find.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

import onnx_ir as ir

from edgeq.graph.patterns.regions import MAX_NODES, Region, same_everywhere
from edgeq.graph.read import constant
from edgeq.passes.prepare.recognize.known_functions import KnownFunction
from edgeq.passes.prepare.recognize.plain_attributes import plain_attributes

#: stands in a run for a node that reads several values
_NO_LINE = -1


class StraightLines:
    """The lines of one walk through a model that end in a node, and what was found behind each.

    A line is told by what is known of each of its nodes, as a number. Nodes behind one another make
    up a run of numbers, and the line of a node is the part of its run that ends there: a long chain
    is gone through once.
    """

    def __init__(self, admits: Callable[[ir.Node], bool], order: Mapping[ir.Node, int]) -> None:
        """admits, order: as for regions_behind."""
        self._admits, self._order = admits, order
        #: a node -> what is known of it, and the value that it reads; None: it reads several
        self._places: dict[ir.Node, tuple[int, ir.Value] | None] = {}
        #: a node -> its run, and its place there
        self._runs: dict[ir.Node, tuple[list[int], int]] = {}
        #: what is known of a node -> a number for it
        self._numbers: dict[Hashable, int] = {}
        #: a line -> how many of its nodes compute a known function, and which; None: none do
        self.found: dict[tuple[int, ...], tuple[int, KnownFunction] | None] = {}

    def line(self, last: ir.Node) -> tuple[int, ...] | None:
        """What is known of the nodes of every region behind `last`, its own at the end.

        None where they make up no line.
        """
        if not self._belongs(last, last):
            return ()
        if last not in self._runs:
            self._follow(last)
        run, end = self._runs[last]
        found = tuple(run[max(end + 1 - MAX_NODES, 0) : end + 1])
        return None if _NO_LINE in found else found

    def region(self, last: ir.Node, size: int) -> Region:
        """The region of so many nodes that ends in `last`, whose line is known."""
        inside: list[ir.Node] = []
        constants: dict[ir.Value, None] = {}
        node: ir.Node | None = last
        for _ in range(size):
            assert node is not None
            inside.append(node)
            place = self._place_of(node)
            assert place is not None
            constants.update((value, None) for value in node.inputs if value is not None and value is not place[1])
            source, node = place[1], place[1].producer()
        return Region(source, last, tuple(inside), tuple(constants))

    def renew(self, node: ir.Node | None) -> None:
        """Look again at a node whose result has other readers now, and at the lines through it."""
        if node is None or node not in self._places:
            return
        before = self._places.pop(node)
        if self._place_of(node) == before:
            return
        stale, near = {node}, [node]
        for _ in range(MAX_NODES):
            near = [use.node for one in near for value in one.outputs for use in value.uses() if use.node not in stale]
            stale.update(near)
        for one in stale:
            self._runs.pop(one, None)

    def _belongs(self, node: ir.Node | None, last: ir.Node) -> bool:
        return node is not None and node in self._order and node.graph is last.graph and self._admits(node)

    def _follow(self, last: ir.Node) -> None:
        """Find the runs of a node and of those behind it."""
        ahead: list[ir.Node] = []
        node: ir.Node | None = last
        while node is not None and self._belongs(node, last) and node not in self._runs:
            ahead.append(node)
            place = self._place_of(node)
            node = None if place is None else place[1].producer()
        run, end = self._runs.get(node, ([], -1)) if node is not None else ([], -1)
        for one in reversed(ahead):
            if end + 1 < len(run):  # another node goes on from there
                run = run[max(end + 1 - MAX_NODES, 0) : end + 1]
            place = self._place_of(one)
            run.append(_NO_LINE if place is None else place[0])
            end = len(run) - 1
            self._runs[one] = run, end

    def _place_of(self, node: ir.Node) -> tuple[int, ir.Value] | None:
        if node not in self._places:
            self._places[node] = self._place(node)
        return self._places[node]

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
