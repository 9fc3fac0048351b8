"""Find the outputs that differ between two runs of the float model on the same feeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import onnx_ir as ir

from edgeq.graph.liveness import reads
from edgeq.graph.read import is_random
from edgeq.graph.walk import bodies_of


def random_outputs(model: ir.Model) -> Mapping[str, str]:
    """Output name -> name of a node that draws random numbers which it depends on.

    Outputs that depend on none are missing. A value depends on all that its node reads, also in
    bodies.

    >>> head = '<ir_version: 8, opset_import: ["" : 17]> net (float[3] x) => (float y, float z)'
    >>> model = ir.from_onnx_text(head + "{ [n] r = RandomNormalLike(x) y = Add(x, r) z = Neg(x) }")
    >>> random_outputs(model)
    {'y': 'n'}
    """
    source: dict[ir.Value, str] = {}
    for node in model.graph:
        found = next((str(one.name) for one in _inside(node) if is_random(one)), None)
        found = found or next((source[value] for value in reads(node) if value in source), None)
        if found is not None:
            source.update(dict.fromkeys(node.outputs, found))
    return {str(value.name): source[value] for value in model.graph.outputs if value in source}


def _inside(node: ir.Node) -> Iterator[ir.Node]:
    """The node, and those of its bodies."""
    yield node
    for body in bodies_of(node):
        for inner in body:
            yield from _inside(inner)
