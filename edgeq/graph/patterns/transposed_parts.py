"""Connected nodes between Transposes that can compute in the order of axes before them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from edgeq.graph.read import attribute_int, attribute_ints, constant, is_op, operator_of, rank

Perm = tuple[int, ...]


def perm_of(node: ir.Node | None) -> Perm | None:
    """The order of axes of a Transpose; None for any other node."""
    if node is None or not is_op(node, "Transpose"):
        return None
    dims = rank(node.inputs[0])
    return attribute_ints(node, "perm") or (None if dims is None else tuple(reversed(range(dims))))


def inverse(perm: Perm) -> Perm:
    """The order of axes that undoes `perm`.

    >>> inverse((0, 2, 3, 1))
    (0, 3, 1, 2)
    """
    return tuple(int(axis) for axis in np.argsort(perm))


def mean_axes(node: ir.Node, dims: int) -> tuple[int, ...] | None:
    """The axes of a ReduceMean, from 0 on; None where it names none."""
    array = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    named = attribute_ints(node, "axes") if array is None else tuple(array.reshape(-1).tolist())
    return None if not named else tuple(axis % dims for axis in named)


@dataclass(eq=False)
class TransposedPart:
    """Connected nodes that can compute before a change of the order of axes."""

    #: the order of axes that the values have
    perm: Perm
    #: nodes that compute, in the order of the graph
    nodes: list[ir.Node] = field(default_factory=list)
    #: means that read their results, or those of the Transposes, and drop axes
    means: list[ir.Node] = field(default_factory=list)
    #: the Transposes whose results the nodes read
    before: list[ir.Node] = field(default_factory=list)
    #: Transposes that change the order back
    after: list[ir.Node] = field(default_factory=list)

    @property
    def members(self) -> set[ir.Node]:
        """All that read transposed values inside of this part."""
        return {*self.nodes, *self.means, *self.after}

    def read_elsewhere(self, node: ir.Node) -> bool:
        """Whether others than the members read the node's result."""
        return any(use.node not in self.members for use in node.outputs[0].uses())

    @property
    def pays(self) -> bool:
        """Whether fewer Transposes are left."""
        gone = len(self.after) + sum(not self.read_elsewhere(node) for node in self.before)
        return bool(self.nodes or self.means) and gone > sum(self.read_elsewhere(node) for node in self.nodes)


def transposed_parts(graph: ir.Graph, perm: Perm) -> list[TransposedPart]:
    """The connected parts of a graph that can compute before Transposes of this order."""
    movable: dict[ir.Value, ir.Node] = {}
    chosen: list[ir.Node] = []
    for node in graph:
        if perm_of(node) == perm:
            movable[node.outputs[0]] = node
        elif _computes(node, movable, perm):
            chosen.append(node)
            movable[node.outputs[0]] = node
    means = [node for node in graph if node.inputs and node.inputs[0] in movable and _drops_axes(node, perm)]
    ends = [node for node in graph if perm_of(node) == inverse(perm) and node.inputs[0] in movable]
    useful: set[ir.Node] = set()
    for node in reversed(chosen):
        if any(use.node in useful or use.node in ends or use.node in means for use in node.outputs[0].uses()):
            useful.add(node)
    kept = [node for node in chosen if node in useful]
    return _connected(perm, kept, means, ends, movable)


def _connected(
    perm: Perm, kept: Sequence[ir.Node], means: Sequence[ir.Node], ends: Sequence[ir.Node], movable: Mapping[ir.Value, ir.Node]
) -> list[TransposedPart]:
    group: dict[ir.Node, TransposedPart] = {}

    def joined(around: Iterable[ir.Node]) -> TransposedPart:
        parts = list(dict.fromkeys(group[node] for node in around if node in group))
        part = parts[0] if parts else TransposedPart(perm)
        for other in parts[1:]:
            for mine, its in ((part.nodes, other.nodes), (part.means, other.means), (part.before, other.before), (part.after, other.after)):
                mine += its
            group.update({node: part for node, held in group.items() if held is other})
        return part

    for kind, found in (("nodes", kept), ("means", means), ("after", ends)):
        for node in found:
            sources = [movable[value] for value in node.inputs if value is not None and value in movable]
            part = joined(sources)
            {"nodes": part.nodes, "means": part.means, "after": part.after}[kind].append(node)
            group[node] = part
            for source in sources:
                if source not in group:
                    part.before.append(source)
                    group[source] = part
    return list(dict.fromkeys(group.values()))


def _computes(node: ir.Node, movable: Mapping[ir.Value, ir.Node], perm: Perm) -> bool:
    """Whether the node works element by element on transposed values and constants alone."""
    moved = [value for value in node.inputs if value is not None and value in movable]
    others = [value for value in node.inputs if value is not None and value not in movable]
    if not moved or len(node.outputs) != 1 or node.outputs[0].is_graph_output():
        return False
    if is_op(node, "Concat"):
        return not others
    arrays = [constant(value) for value in others]
    fitting = all(array is not None and array.ndim <= len(perm) for array in arrays)
    return operator_of(node).elementwise is not None and fitting and rank(node.outputs[0]) == len(perm)


def _drops_axes(node: ir.Node, perm: Perm) -> bool:
    """Whether the node is a mean that drops its axes and leaves the others in the same order."""
    if not is_op(node, "ReduceMean") or attribute_int(node, "keepdims", 1) or node.graph is None:
        return False
    axes = mean_axes(node, len(perm))
    left = None if axes is None else [perm[axis] for axis in range(len(perm)) if axis not in axes]
    return left is not None and left == sorted(left)
