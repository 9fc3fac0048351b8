"""Find the nodes of a float model that onnxruntime runs together, as one kernel."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import onnx
import onnx_ir as ir

from edgeq.graph.read import is_op, nodes, operator_of
from edgeq.runtimes.element_types import FLOATS, element_types
from edgeq.runtimes.fusion import Fusion
from edgeq.runtimes.optimized_graph import LAYOUT, NODE_MARK, OUTPUT_MARK, bodies, folded_nodes, indices, optimized_graph


def fusions(model: ir.Model) -> tuple[Fusion, ...]:
    """Every kernel that does the work of several nodes of a float model.

    The members of a kernel are the nodes from its outputs up to values that the optimized graph
    still has. None of them are constants that onnxruntime folds, what computes no real numbers
    (shapes), and, in kernels that are named like one of their members, what only moves elements:
    onnxruntime moves that elsewhere or leaves it out by itself. What the layout of convolutions
    joins beyond that, onnxruntime does not tell. Raises RuntimeRefused.
    """
    return tuple(_Finder(model, optimized_graph(model, "extended")).found())


class _Finder:
    def __init__(self, model: ir.Model, graph: onnx.GraphProto) -> None:
        self.nodes = list(nodes(model))
        self.index = {id(node): index for index, node in enumerate(self.nodes)}
        self.folded = folded_nodes(model)
        self.every = [node for body in bodies(graph) for node in body.node]
        self.types = element_types(graph)
        #: nodes and values that the optimized graph still has
        self.named = {index for node in self.every for index in indices(NODE_MARK, node.name)}
        self.kept = {mark for node in self.every for mark in _values(node.output)}

    def found(self) -> Iterator[Fusion]:
        kernels: dict[int, str] = {}
        home: dict[int, int] = {}
        for number, node in enumerate(self.every):
            own = indices(NODE_MARK, node.name)
            if (node.op_type in LAYOUT and not own) or self.types.get(node.output[0]) not in FLOATS:
                continue
            kernels[number] = node.op_type
            for index in (*own, *self._behind(_values(node.output), own)):
                home.setdefault(index, number)
        self._join_before(home)
        at_home: dict[int, list[ir.Node]] = {}
        for index in sorted(home):
            at_home.setdefault(home[index], []).append(self.nodes[index])
        for number, op_type in kernels.items():
            members = [node for node in at_home.get(number, ()) if _computes(node)]
            if any(is_op(node, op_type) for node in members):
                members = [node for node in members if not operator_of(node).relocates]
            if len(members) > 1:
                yield Fusion(op_type, tuple(str(node.name) for node in members))

    def _behind(self, outputs: Iterable[tuple[int, int]], own: Collection[int]) -> set[int]:
        """The nodes that make the outputs, up to kept values and nodes of other kernels.

        own: the nodes that the kernel is named like.
        """
        queue = [index for index, _ in outputs if index in own or index not in self.named]
        found: set[int] = set()
        while queue:
            index = queue.pop()
            found.add(index)
            for value in self.nodes[index].inputs:
                before = self._maker(value)
                if value is None or before is None or before in found or (before in self.named and before not in own):
                    continue
                if (before, value.index() or 0) not in self.kept:
                    queue.append(before)
        return found

    def _join_before(self, home: dict[int, int]) -> None:
        """Let a node that no output leads to run with the one before it.

        That is how activations vanish in kernels whose outputs have another layout and name.
        """
        for index, node in enumerate(self.nodes):
            before = self._maker(node.inputs[0]) if node.inputs else None
            if index not in home and index not in self.named and before in home and node not in self.folded:
                home[index] = home[before]

    def _maker(self, value: ir.Value | None) -> int | None:
        maker = None if value is None else value.producer()
        return None if maker is None or maker in self.folded else self.index.get(id(maker))


def _computes(node: ir.Node) -> bool:
    return not operator_of(node).makes and not is_op(node, "Cast", "Identity", "Dropout")


def _values(names: Iterable[str]) -> list[tuple[int, int]]:
    return [(int(index), int(number)) for name in names for index, number in OUTPUT_MARK.findall(name)]
