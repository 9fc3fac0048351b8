"""Measure what each node of a model takes: onnxruntime's own profile, read back to the nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.read import nodes
from edgeq.numerics.arrays import AnyArray
from edgeq.proof.read_back import CONVERSIONS
from edgeq.runtimes.kernel_times import KernelTime, kernel_times
from edgeq.runtimes.optimized_graph import NODE_MARK, VALUE_MARK, indices
from edgeq.schema.origins import read_origins

#: how many nodes before the last one of a fused kernel are asked whose work it does
_REACH = 5


@dataclass(frozen=True)
class NodeTime:
    """What one node of the float model takes in both models, in milliseconds."""

    #: name of the node
    name: str
    #: in the float model; None: no kernel of its own
    float_ms: float | None
    #: in the int8 model; None likewise
    int8_ms: float | None


@dataclass(frozen=True)
class RunTimes:
    """What the kernels of one run of both models take, on one thread.

    Medians of the profiled runs; a profile itself takes time, so that their sum is above the
    latency of small models.
    """

    nodes: tuple[NodeTime, ...]
    #: conversions between float and integers in the int8 model, in milliseconds
    conversions_ms: float
    #: kernels that no node of the float model is known for: changes of the layout
    other_float_ms: float
    other_int8_ms: float
    #: profiled runs of each model
    runs: int


def node_times(float_model: ir.Model, int8_model: ir.Model, feeds: Mapping[str, AnyArray], *, signed: bool = False) -> RunTimes:
    """Profile both models on one sample.

    int8_model: with the record that edgeq writes of its nodes, and with float inputs. signed: as of
    open_session. Raises RuntimeRefused.
    """
    own = {str(node.name): str(node.name) for node in nodes(float_model)}
    first, runs = kernel_times(float_model, feeds)
    floats, layout, converted = _shares(float_model, first, own)
    origins = read_origins(int8_model)
    homes = {origin.node or name: name for name, origin in origins.items() if origin.runs in ("int8", "float")}
    second, again = kernel_times(int8_model, feeds, signed=signed)
    integers, others, conversions = _shares(int8_model, second, homes)
    rows = (NodeTime(name, floats.get(name), integers.get(name)) for name in own if name in floats or name in integers)
    return RunTimes(tuple(rows), conversions, layout + converted, others, min(runs, again))


def _shares(model: ir.Model, kernels: tuple[KernelTime, ...], homes: Mapping[str, str]) -> tuple[dict[str, float], float, float]:
    """Milliseconds by node of the float model, of other kernels, and of conversions."""
    every = list(nodes(model))
    taken: dict[str, float] = {}
    other = conversions = 0.0
    for kernel in kernels:
        home = None if kernel.op_type in CONVERSIONS else _home(every, kernel, homes)
        if home is not None:
            taken[home] = taken.get(home, 0.0) + kernel.ms
        elif kernel.op_type in CONVERSIONS:
            conversions += kernel.ms
        else:
            other += kernel.ms
    return taken, other, conversions


def _home(every: list[ir.Node], kernel: KernelTime, homes: Mapping[str, str]) -> str | None:
    """The node of the float model whose work a kernel does.

    A fused kernel is named after its last value: of the nodes before that, the one with its own
    operator type counts. None: it is no node's.
    """
    named = indices(NODE_MARK, kernel.name) + indices(VALUE_MARK, kernel.name, *kernel.outputs)
    op_type = kernel.op_type.removeprefix("Fused").removeprefix("QLinear")
    known = [node for index in named for node in _before(every[index]) if str(node.name) in homes]
    same = (node for node in known if node.op_type == op_type)
    found = next(same, None) or next(iter(known), None)
    return None if found is None else homes[str(found.name)]


def _before(node: ir.Node) -> Iterator[ir.Node]:
    """The node, and those that make its first input, the nearest first."""
    at: ir.Node | None = node
    for _ in range(_REACH):
        if at is None:
            return
        yield at
        value = at.inputs[0] if at.inputs else None
        at = None if value is None else value.producer()
