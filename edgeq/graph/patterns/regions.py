"""Find parts of a graph that compute one value from one other value and constants.

Exporters write one function in many ways. Such a part is recognized by what it computes, not by how
it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.patterns.numpy_forms import computed
from edgeq.graph.read import constant, nodes
from edgeq.numerics.arrays import F64, AnyArray

#: more nodes than any written-out function or normalization has
MAX_NODES = 24


@dataclass(frozen=True, eq=False)
class Region:
    """Nodes that compute one value from `source` and constants."""

    #: the only value that is not constant among those that the nodes read from outside
    source: ir.Value
    #: the node that makes the result
    last: ir.Node
    #: all of the nodes, `last` first; a node stands before those whose results it reads
    nodes: tuple[ir.Node, ...]
    #: the constants that the nodes read, in the order in which they were met
    constants: tuple[ir.Value, ...]

    @property
    def removable(self) -> tuple[ir.Node, ...]:
        """The nodes that nothing needs any more once `last` computes the result by itself."""
        found = {self.last: None}
        for node in self.nodes[1:]:
            out = node.outputs[0]
            if not out.is_graph_output() and all(use.node in found for use in out.uses()):
                found[node] = None
        return tuple(found)

    def result(self, given: F64, numbers: Mapping[ir.Value, AnyArray]) -> AnyArray | None:
        """What the nodes compute of `given` in numpy; None where one of them has no numpy form.

        numbers: the array that stands for each constant.
        """
        known: dict[ir.Value, AnyArray] = {self.source: given, **numbers}
        with np.errstate(all="ignore"):
            for node in reversed(self.nodes):
                made = computed(node, [None if value is None else known[value] for value in node.inputs])
                if made is None:
                    return None
                known[node.outputs[0]] = made
        return known[self.last.outputs[0]]


def walk_order(model: ir.Model) -> dict[ir.Node, int]:
    """Every node of the model and its place in the walk, in order."""
    return {node: place for place, node in enumerate(nodes(model))}


def regions_behind(last: ir.Node, admits: Callable[[ir.Node], bool], order: Mapping[ir.Node, int]) -> Iterator[Region]:
    """Every region that ends in `last` and consists of nodes that `admits` takes, smallest first.

    order: the place of each node in the walk of the model. The latest node is taken in first, so
    that a value that is read several times is passed only after all that read it.
    """
    inside: list[ir.Node] = []
    # what the nodes inside read: constants, and values that are made outside; dicts keep the order
    constants: dict[ir.Value, None] = {}
    border: dict[ir.Value, None] = {}
    latest: ir.Node | None = last
    while latest is not None and latest.graph is last.graph and admits(latest) and len(inside) < MAX_NODES:
        inside.append(latest)
        for made in latest.outputs:
            border.pop(made, None)
        for value in latest.inputs:
            if value is not None and value not in border and value not in constants:
                (border if constant(value) is None else constants)[value] = None
        if len(border) == 1:
            yield Region(next(iter(border)), last, tuple(inside), tuple(constants))
        makers = [maker for value in border if (maker := value.producer()) is not None and maker in order]
        latest = max(makers, key=lambda maker: order[maker], default=None)


def splat(value: ir.Value | None, like: ir.Value | None) -> float | None:
    """The number that a constant holds everywhere; None if it holds two, or is not constant.

    like: the value that it is combined with, whose shape must not change by that.
    """
    array = constant(value)
    number = None if array is None else same_everywhere(array)
    return number if array is not None and number is not None and leaves_shape(array.shape, like) else None


def same_everywhere(array: AnyArray) -> float | None:
    """The number that an array holds everywhere; None if it holds two, none or no number."""
    if array.size == 0 or array.dtype.kind not in "fiu":
        return None
    if array.size > 1 and (array != array.reshape(-1)[0]).any():
        return None
    return float(array.reshape(-1)[0])


def leaves_shape(shape: tuple[int, ...], like: ir.Value | None) -> bool:
    """Whether a value keeps its shape where it is combined with a constant of this one."""
    if not shape:
        return True
    if like is None or like.shape is None or len(shape) > len(like.shape):
        return False
    return all(size in (1, known) for size, known in zip(reversed(shape), reversed(list(like.shape)), strict=False))
