"""Read back onnxruntime's optimized graph: which node runs as which kernel, on which types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import onnx
import onnx_ir as ir

from edgeq.graph.operators import INTEGER_KERNELS, OPERATORS, UNKNOWN
from edgeq.graph.read import nodes
from edgeq.runtimes.element_types import EIGHT_BITS, FLOATS, element_types
from edgeq.runtimes.optimized_graph import LAYOUT, NODE_MARK, VALUE_MARK, bodies, indices, optimized_graph

CONVERSIONS = frozenset({"QuantizeLinear", "DequantizeLinear"})
CONTROL = frozenset(row.op_type for row in OPERATORS.values() if row.control)
#: operators that take 8-bit integers and give indices
_INDEXERS = frozenset({"ArgMax", "ArgMin"})

KernelKind = Literal["int8", "float", "conversion", "control", "other"]


@dataclass(frozen=True)
class RanKernel:
    """One node of the optimized graph."""

    #: operator type, which may be one of onnxruntime only
    op_type: str
    #: which numbers it computes with; other: integers that are not quantized numbers (shapes,
    #: indices, booleans)
    runs: KernelKind
    #: for a conversion (Q/DQ): whether it stands on a graph input or output, inside the graph, or
    #: on a constant
    place: Literal["boundary", "inner", "constant"] | None = None


@dataclass(frozen=True)
class ReadBack:
    """What became of the nodes of a model. Nodes are known by their index in walk order."""

    #: index of a node -> the kernel that it became
    kernels: Mapping[int, RanKernel]
    #: index of a node -> index of the node whose kernel does its work. Nodes in neither mapping are
    #: gone
    fused: Mapping[int, int]
    #: conversions of activations that are left on graph inputs and outputs
    boundary_qdq: int
    #: the same inside the graph
    inner_qdq: int


def read_back(model: ir.Model, *, signed: bool = False) -> ReadBack:
    """Open the model as an application would, with every optimization, and read what runs.

    signed: let it fuse signed activations, as it does on Arm. Raises RuntimeRefused.
    """
    return _Reader(optimized_graph(model, signed=signed), [node.op_type for node in nodes(model)]).read()


class _Reader:
    def __init__(self, graph: onnx.GraphProto, op_types: list[str]) -> None:
        self.graph, self.op_types = graph, op_types
        self.types = element_types(graph)
        self.constants = {tensor.name for body in bodies(graph) for tensor in body.initializer}
        self.makers = {name: node for body in bodies(graph) for node in body.node for name in node.output if name}
        self.readers: dict[str, list[onnx.NodeProto]] = {}
        for body in bodies(graph):
            for node in body.node:
                for name in node.input:
                    self.readers.setdefault(name, []).append(node)
        self.inputs = {value.name for value in graph.input}
        self.outputs = {value.name for value in graph.output}
        self.body_outputs = {value.name for body in bodies(graph) for value in body.output}

    def read(self) -> ReadBack:
        kernels: dict[int, RanKernel] = {}
        by_value: list[tuple[int, tuple[int, ...], RanKernel, onnx.NodeProto]] = []
        places: list[str | None] = []
        for body in bodies(self.graph):
            for node in body.node:
                kernel = self._kernel(node)
                places.append(kernel.place)
                named = indices(NODE_MARK, node.name)
                for index in named:
                    kernels.setdefault(index, kernel)
                produced = indices(VALUE_MARK, node.name, *node.output)
                by_value += [(index, named, kernel, node) for index in produced]
        fused: dict[int, int] = {}
        for index, named, kernel, node in by_value:
            if index in kernels:
                continue
            if named:
                fused.setdefault(index, named[0])
            elif node.op_type not in LAYOUT or node.op_type == self.op_types[index]:
                kernels[index] = kernel
        return ReadBack(kernels, fused, places.count("boundary"), places.count("inner"))

    def _kernel(self, node: onnx.NodeProto) -> RanKernel:
        if node.op_type in CONVERSIONS:
            return RanKernel(node.op_type, "conversion", self._place(node))
        if node.op_type in CONTROL:
            return RanKernel(node.op_type, "control")
        data = OPERATORS.get(node.op_type, UNKNOWN).data_of(len(node.input))
        source = self.types.get(node.input[data[0]]) if data else None
        result = self.types.get(node.output[0])
        if node.op_type.startswith("QLinear") or node.op_type in INTEGER_KERNELS:
            return RanKernel(node.op_type, "int8")
        if source in EIGHT_BITS and (result in EIGHT_BITS or node.op_type in _INDEXERS) and node.op_type != "Cast":
            return RanKernel(node.op_type, "int8")
        if node.op_type in ("Shape", "Size") or not ({source, result} & (FLOATS | {None})):
            return RanKernel(node.op_type, "other")
        return RanKernel(node.op_type, "float")

    def _place(self, node: onnx.NodeProto) -> Literal["boundary", "inner", "constant"]:
        source, result = node.input[0], node.output[0]
        if source in self.constants:
            return "constant"
        if self._origin(source) in self.inputs:
            return "boundary"
        only_output = result in self.outputs and not self.readers.get(result)
        return "boundary" if only_output or self._ends(result) else "inner"

    def _origin(self, name: str) -> str:
        """The value before the layout changes that onnxruntime inserted."""
        maker = self.makers.get(name)
        while maker is not None and _inserted(maker):
            name = maker.input[0]
            maker = self.makers.get(name)
        return name

    def _ends(self, name: str) -> bool:
        """Whether only inserted layout changes stand between the value and a graph output."""
        readers = self.readers.get(name, [])
        if not readers or name in self.body_outputs - self.outputs:
            return False
        return all(_inserted(node) and (node.output[0] in self.outputs or self._ends(node.output[0])) for node in readers)


def _inserted(node: onnx.NodeProto) -> bool:
    return node.op_type in LAYOUT and not NODE_MARK.search(node.name)
