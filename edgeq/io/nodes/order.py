"""Sort the nodes of a model by what they read, where a writer left them in another order.

Runtimes take such files, since they build the graph from the names alone.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

import onnx

from edgeq.errors import BadModel
from edgeq.io.nodes.walk import bodies_of


def sort_nodes(proto: onnx.ModelProto, where: str) -> bool:
    """Sort every graph, body and function whose nodes stand before what they read, in place.

    Nodes keep their order where nothing asks for another. Returns whether anything moved. Raises
    BadModel for a cycle, which it names.
    """
    holders: list[onnx.GraphProto | onnx.FunctionProto] = [proto.graph, *proto.functions]
    moved = False
    while holders:
        holder = holders.pop()
        holders.extend(body for node in holder.node for body in bodies_of(node))
        order = _order(holder.node, where)
        if order != list(range(len(order))):
            nodes = [holder.node[place] for place in order]
            copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
            del holder.node[:]
            holder.node.extend(copies)
            moved = True
    return moved


def _order(nodes: Iterable[onnx.NodeProto], where: str) -> list[int]:
    """The places of the nodes in an order in which each stands behind those that it reads."""
    every = list(nodes)
    maker = {name: place for place, node in enumerate(every) for name in node.output if name}
    needs = [{maker[name] for name in _reads(node) if name in maker} for node in every]
    if all(place > other for place, others in enumerate(needs) for other in others):
        return list(range(len(every)))
    readers: list[list[int]] = [[] for _ in every]
    for place, others in enumerate(needs):
        for other in others:
            readers[other].append(place)
    waiting = [len(others) for others in needs]
    ready = [place for place, count in enumerate(waiting) if count == 0]
    order = []
    while ready:
        place = heapq.heappop(ready)
        order.append(place)
        for reader in readers[place]:
            waiting[reader] -= 1
            if waiting[reader] == 0:
                heapq.heappush(ready, reader)
    if len(order) < len(every):
        node = every[next(place for place, count in enumerate(waiting) if count)]
        name = node.name or (node.output[0] if node.output else node.op_type)
        fix = "Export the model again, or repair the named node."
        raise BadModel("The graph has a cycle: a node reads what it makes itself, if through others", f"{where}, node {name}", fix)
    return order


def _reads(node: onnx.NodeProto) -> set[str]:
    """The names that a node and its bodies read; what a body makes itself has a name of its own."""
    names, stack = set(node.input), bodies_of(node)
    while stack:
        body = stack.pop()
        names.update(value.name for value in body.output)
        for inner in body.node:
            names.update(inner.input)
            stack.extend(bodies_of(inner))
    return names
