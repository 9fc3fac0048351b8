"""Float parts of a quantized model: values from the runtime's own kernels, gradients from torch.

Two libraries round a normalization or a GELU differently in the last bit, which sometimes gives
another code in the quantizer behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from heapq import heapify, heappop, heappush

import numpy as np
import onnx_ir as ir
import torch

from edgeq.graph.read import nodes, operator_of
from edgeq.learn.operators.operands import Operand, Tensor, real
from edgeq.learn.operators.quantized import straight
from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.runtimes.ort import Session, open_session


@dataclass(frozen=True, eq=False)
class Island:
    """Nodes that run one after the other."""

    nodes: tuple[ir.Node, ...]
    #: computes the same nodes in the runtime from the outer values that they read; None: torch only
    session: Session | None = None

    @cached_property
    def read(self) -> frozenset[str]:
        """Names of the values that the nodes read."""
        return frozenset(str(value.name) for node in self.nodes for value in node.inputs if value is not None)

    @cached_property
    def made(self) -> frozenset[str]:
        """Names of the values that the nodes compute."""
        return frozenset(str(value.name) for node in self.nodes for value in node.outputs)

    def exact(self, values: Mapping[str, Operand]) -> dict[str, Tensor]:
        """The values that leave the island, by name, as the runtime computes them.

        values: at least those that the island reads. Empty without a session.
        """
        if self.session is None:
            return {}
        feeds = {one.name: np.asarray(real(values[one.name]).detach().numpy(), one.dtype, order="C") for one in self.session.inputs}
        return {name: torch.from_numpy(array) for name, array in zip(self.session.outputs, self.session.run(feeds), strict=True)}


def exact_with_gradient(simulated: Operand | None, exact: Tensor) -> Tensor:
    """The exact values, with the gradient of the simulated ones if they have one."""
    wanted = None if simulated is None else real(simulated)
    return exact if wanted is None or not wanted.requires_grad else straight(wanted, exact)


def float_islands(model: ir.Model, floats: Set[str], learned: Set[str]) -> list[Island]:
    """The nodes of a model in an order that keeps float nodes together, as the runtime fuses them.

    model: shapes are inferred in place. floats: names of the nodes that run in float. learned:
    names of the constants that change.
    """
    InferShapes()(model)
    steps = []
    for island in _in_order(model, _islands(model, floats)):
        exact = any(node.name in floats and not operator_of(node).exact for node in island)
        steps.append(Island(tuple(island), _session(model, island, learned) if exact else None))
    return steps


def _islands(model: ir.Model, floats: Set[str]) -> list[list[ir.Node]]:
    """The nodes in islands: float nodes of one depth together, every other node alone.

    The depth of a node is the largest number of changes from integers to float on a path from it to
    the outputs, so that no path between two nodes of an island leads through integers. A node that
    is read only inside a pattern has the depth of the pattern's last node: what the runtime fuses
    into one kernel stays together.
    """
    ahead: dict[ir.Node, int] = {}
    found: dict[int, list[ir.Node]] = {}
    alone = []
    for node in reversed(list(nodes(model))):
        readers = [use.node for value in node.outputs for use in value.uses()]
        ahead[node] = max((ahead[one] + (one.name in floats and node.name not in floats) for one in readers), default=0)
        if node.name in floats:
            found.setdefault(ahead[node], []).insert(0, node)
        else:
            alone.append([node])
    return [*found.values(), *alone]


def _in_order(model: ir.Model, islands: Sequence[list[ir.Node]]) -> list[list[ir.Node]]:
    """The islands in topological order, and otherwise in the order of the graph."""
    place = {node: at for at, node in enumerate(nodes(model))}
    first = {node: place[island[0]] for island in islands for node in island}
    sorter: TopologicalSorter[int] = TopologicalSorter()
    for node in place:
        makers = [value.producer() for value in node.inputs if value is not None]
        sorter.add(first[node], *(first[one] for one in makers if one is not None and first[one] != first[node]))
    sorter.prepare()
    known, order = {first[island[0]]: island for island in islands}, []
    ready = list(sorter.get_ready())
    heapify(ready)
    while ready:
        order.append(known[heappop(ready)])
        sorter.done(place[order[-1][0]])
        for at in sorter.get_ready():
            heappush(ready, at)
    return order


def _session(model: ir.Model, island: Sequence[ir.Node], learned: Set[str]) -> Session | None:
    """A session that runs these nodes; None when the type of an input or output is unknown."""
    inside, outputs = set(island), model.graph.outputs
    made = [value for node in island for value in node.outputs]
    given = [value for value in made if value in outputs or any(use.node not in inside for use in value.uses())]
    read = dict.fromkeys(value for node in island for value in node.inputs if value is not None and value.producer() not in inside)
    fed = [value for value in read if not value.is_initializer() or value.name in learned]
    if any(value.dtype is None for value in (*fed, *given)):
        return None
    part = ir.convenience.extract(model.graph, fed, given)
    for value in fed:
        part.initializers.pop(str(value.name), None)
    # one thread is enough: islands are many and small, and all kernels except Log and Elu give the
    # same numbers with one thread and with several
    return open_session(ir.Model(part, ir_version=model.ir_version), threads=1)
