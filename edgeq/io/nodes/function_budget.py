"""Count what model-local functions come to when they are written out, before any of them is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import onnx

from edgeq.errors import BadModel
from edgeq.io.nodes.walk import all_nodes

#: the most nodes of a model whose functions are written out: ten times those of the largest models
#: that exporters write. Functions that call the next twice double it with every one of them
MAX_NODES = 200_000
#: the most bytes of those nodes: a constant in a function is copied at every call
MAX_BYTES = 1 << 28
#: how deep functions may call each other
MAX_CALLS = 100

#: domain, name and overload of a function
Key = tuple[str, str, str]

_FIX = "Export the model without functions."


@dataclass(frozen=True)
class _Size:
    """What a function comes to when it is written out once."""

    #: number of nodes
    nodes: int
    #: bytes of these nodes
    size: int
    #: how many functions deep its calls go, itself included
    depth: int


def check_functions(proto: onnx.ModelProto, where: str) -> None:
    """Refuse functions that call themselves, or come to more than the limits of this file.

    Raises BadModel.
    """
    if not proto.functions:
        return
    bodies = {key_of(function): [(called_by(node), node.ByteSize()) for node in all_nodes(function.node)] for function in proto.functions}
    sizes: dict[Key, _Size] = {}
    for key in _callees_first(bodies, where):
        sizes[key] = _written_out(bodies[key], sizes)
    total = _written_out([(called_by(node), node.ByteSize()) for node in all_nodes(proto.graph.node)], sizes)
    if total.nodes > MAX_NODES:
        raise BadModel(f"The functions expand to {total.nodes} nodes, more than {MAX_NODES}", where, _FIX)
    if total.size > MAX_BYTES + proto.ByteSize():
        raise BadModel(f"The functions expand to {total.size} bytes, {MAX_BYTES} more than the file has", where, _FIX)
    if max(size.depth for size in sizes.values()) > MAX_CALLS:
        raise BadModel("Model-local functions call each other too deeply", where, "Flatten the model.")


def _callees_first(bodies: Mapping[Key, Iterable[tuple[Key, int]]], where: str) -> Iterator[Key]:
    """Every function behind those that it calls. Raises BadModel for one that calls itself."""
    done: set[Key] = set()
    calling: set[Key] = set()
    for root in bodies:
        stack = [root]
        while stack:
            key = stack[-1]
            if key in done:
                stack.pop()
                continue
            waiting = [] if key in calling else list(dict.fromkeys(call for call, _ in bodies[key] if call in bodies and call not in done))
            calling.add(key)
            if any(call in calling for call in waiting):
                raise BadModel("A model-local function calls itself", f"{where}, function {key[1]!r}", "Export the model again.")
            if waiting:
                stack.extend(waiting)
                continue
            stack.pop()
            calling.discard(key)
            done.add(key)
            yield key


def _written_out(calls: Iterable[tuple[Key, int]], sizes: Mapping[Key, _Size]) -> _Size:
    nodes = total = depth = 0
    for call, size in calls:
        inner = sizes.get(call, _Size(1, size, 0))
        nodes, total, depth = nodes + inner.nodes, total + inner.size, max(depth, inner.depth)
    return _Size(nodes, total, depth + 1)


def key_of(function: onnx.FunctionProto) -> Key:
    """What calls of the function name."""
    return function.domain, function.name, function.overload


def called_by(node: onnx.NodeProto) -> Key:
    """The function that the node would call, if the model has it."""
    return node.domain, node.op_type, node.overload
